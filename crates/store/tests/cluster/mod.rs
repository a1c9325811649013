//! A Postgres for the tests: one server a test run, in a temporary folder, as an unprivileged user; a database a test.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

static SERVER: OnceLock<String> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The URL of a database with nothing in it.
pub(crate) fn fresh_database() -> String {
    let base = SERVER.get_or_init(|| std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| start()));
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = base.clone();
    let create = format!("CREATE DATABASE {name}");
    // The driver's client brings its own runtime, which must not be made inside another.
    std::thread::spawn(move || {
        let mut client = postgres::Client::connect(&admin, postgres::NoTls).unwrap();
        client.batch_execute(&create).unwrap();
    })
    .join()
    .unwrap();
    let (start, _) = base.rsplit_once('/').unwrap();
    format!("{start}/{name}?sslmode=disable")
}

fn start() -> String {
    let folder = std::env::temp_dir().join(format!("convo-pg-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let data = folder.join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let me = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let root = me.trim() == "0";
    if root {
        assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
    }
    let run = |program: &str, args: &[&str]| {
        let program = binaries().join(program);
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // A daemon that keeps our pipe open would never let us go.
        let log = File::create(folder.join("start.log")).unwrap();
        command.args(args).current_dir("/").stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        let text = || std::fs::read_to_string(folder.join("start.log")).unwrap_or_default();
        assert!(command.status().unwrap().success(), "{}", text());
    };
    let data_text = data.to_str().unwrap();
    run("initdb", &["-D", data_text, "-A", "trust", "-U", "app", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]);
    let options =
        format!("-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=400", folder.display());
    let log = folder.join("log");
    run("pg_ctl", &["-D", data_text, "-w", "-l", log.to_str().unwrap(), "-o", &options, "start"]);
    stop_with_us(&data, root);
    format!("postgres://app@127.0.0.1:{port}/postgres")
}

/// A shell that waits for this process to end, and then stops the server.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process: it waits for its end")]
fn stop_with_us(data: &Path, root: bool) {
    let runuser = if root { "runuser -u postgres -- " } else { "" };
    let script = format!(
        "while kill -0 {pid} 2>/dev/null; do sleep 0.5; done; {runuser}{pg}/pg_ctl -D {data} stop -m immediate; rm -rf {folder}",
        pid = std::process::id(),
        pg = binaries().display(),
        data = data.display(),
        folder = data.parent().unwrap().display(),
    );
    let mut shell = Command::new("setsid");
    shell.args(["sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.current_dir("/").spawn().unwrap();
}

fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql must be installed");
    let newest = installed.filter_map(Result::ok).map(|entry| entry.path()).max().expect("no version of Postgres");
    newest.join("bin")
}
