"""What the tests stand on: the server as a process, and people who use it through its five APIs."""
