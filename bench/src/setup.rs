//! People and rooms for a benchmark, made through the public APIs.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::dialect::{Dialect, Seat};
use crate::fanout::Shape;
use crate::http::Client;

/// Meets `platform.md`'s rule for passwords.
pub(crate) const PASSWORD: &str = "Benchmark1";

/// Accounts that share the seats of all rooms. Each costs an Argon2id hash at registration and one at log-in.
const ACCOUNTS: usize = 4;

/// Seats for a shape, room by room.
pub(crate) fn seats(address: SocketAddr, dialect: Dialect, shape: Shape) -> Result<Vec<Seat>> {
    match dialect {
        Dialect::SocketIo => chatroom_seats(address, shape),
        Dialect::Meeting => meeting_seats(address, shape),
        Dialect::Floor => Ok(floor_seats(shape)),
    }
}

/// Registers through the chatrooms API and logs in; returns the token.
pub(crate) fn account(client: &mut Client, name: &str) -> Result<String> {
    let email = format!("{}@bench.example", uuid::Uuid::new_v4());
    register(client, name, &email)?;
    let login = client.call("POST", "/api/user/login", None, Some(&json!({"email": email, "password": PASSWORD})))?;
    text(&login, "token")
}

pub(crate) fn register(client: &mut Client, name: &str, email: &str) -> Result<()> {
    let body = json!({"name": name, "email": email, "password": PASSWORD});
    client.call("POST", "/api/user/", None, Some(&body)).map(|_| ())
}

/// A new chatroom of the token's owner; returns its id.
pub(crate) fn chatroom(client: &mut Client, token: &str, name: &str) -> Result<String> {
    text(&client.call("POST", "/api/chatroom/", Some(token), Some(&json!({"name": name})))?, "id")
}

fn chatroom_seats(address: SocketAddr, shape: Shape) -> Result<Vec<Seat>> {
    let mut client = Client::connect(address)?;
    let accounts = ACCOUNTS.min(shape.members);
    let tokens = (0..accounts).map(|n| account(&mut client, &format!("Bench {n}"))).collect::<Result<Vec<_>>>()?;
    let mut seats = Vec::with_capacity(shape.rooms * shape.members);
    for room in 0..shape.rooms {
        let room_id = chatroom(&mut client, &tokens[0], &format!("Room {room}"))?;
        for token in &tokens[1..] {
            client.call("POST", &format!("/api/chatroom/{room_id}/join"), Some(token), Some(&json!({})))?;
        }
        let taken = (0..shape.members).map(|n| tokens[n % accounts].clone());
        seats.extend(taken.map(|token| Seat { room, room_id: room_id.clone(), token }));
    }
    Ok(seats)
}

/// One account joins as often as there are seats: each join is a participant of its own.
fn meeting_seats(address: SocketAddr, shape: Shape) -> Result<Vec<Seat>> {
    let mut client = Client::connect(address)?;
    let token = platform_account(&mut client)?;
    let mut seats = Vec::with_capacity(shape.rooms * shape.members);
    for room in 0..shape.rooms {
        let settings = json!({"max_participants": 2000, "allow_join_before_host": true, "waiting_room_enabled": false});
        let meeting = json!({"title": format!("Room {room}"), "settings": settings});
        let created = client.call("POST", "/api/v1/meetings", Some(&token), Some(&meeting))?;
        let room_id = text(&created, "meeting_id")?;
        for member in 0..shape.members {
            let body = json!({"display_name": format!("Bench {member}")});
            let path = format!("/api/v1/meetings/{room_id}/join");
            let token = text(&client.call("POST", &path, Some(&token), Some(&body))?, "meeting_token")?;
            seats.push(Seat { room, room_id: room_id.clone(), token });
        }
    }
    Ok(seats)
}

fn platform_account(client: &mut Client) -> Result<String> {
    let email = format!("{}@bench.example", uuid::Uuid::new_v4());
    let person = json!({
        "first_name": "Bench", "last_name": "Mark", "email": email, "password": PASSWORD, "confirm_password": PASSWORD,
    });
    client.call("POST", "/api/v1/auth/register", None, Some(&person))?;
    let login = json!({"email_or_phone": email, "password": PASSWORD});
    text(&client.call("POST", "/api/v1/auth/login", None, Some(&login))?, "access_token")
}

fn floor_seats(shape: Shape) -> Vec<Seat> {
    let seat = |room: usize| Seat { room, room_id: room.to_string(), token: String::new() };
    (0..shape.rooms).flat_map(|room| std::iter::repeat_n(seat(room), shape.members)).collect()
}

fn text(answer: &Value, field: &str) -> Result<String> {
    Ok(answer[field].as_str().with_context(|| format!("no {field} in {answer}"))?.to_owned())
}
