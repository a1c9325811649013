//! `/agent`: a worker's socket.

use super::{
    id,
    pool::{Kind, Worker},
};
use crate::{
    House,
    admit::{Refused, token},
    door::Request,
    join::Query as Parameters,
    line::{self, Line, Over},
};
use axum::{
    extract::{Query, State, ws::WebSocket},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use livekit_protocol::{
    self as proto, JobType, ServerMessage, WorkerMessage, server_message::Message as Say,
    worker_message::Message as Said,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long a worker may take to say what it is.
const REGISTER: Duration = Duration::from_secs(10);
/// Workers ping every few seconds; who is silent this long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Messages that wait for one worker.
const OUT: usize = 256;

pub(crate) async fn connect(
    State(doors): State<House>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refused> {
    let upgrade = request.upgrade.ok_or(Refused(StatusCode::NOT_FOUND, "this is a WebSocket".into()))?;
    let unauthorized = || Refused(StatusCode::UNAUTHORIZED, "the token does not permit agents".into());
    let token = token(&headers, &query).and_then(|token| doors.keys.read(token, doors.app.domain.now()));
    token.filter(|token| token.claims.video.agent).ok_or_else(unauthorized)?;
    Ok(line::sized(upgrade).on_upgrade(move |socket| run(socket, doors)).into_response())
}

async fn run(socket: WebSocket, doors: House) {
    let (out, waiting) = mpsc::channel(OUT);
    let mut line = Line::new(socket);
    let Ok(Ok(worker)) = tokio::time::timeout(REGISTER, register(&mut line, out)).await else { return };
    tracing::info!(worker = worker.id, agent = worker.kind.agent_name, "an agent worker registered");
    doors.agents.pool.add(worker.clone());
    let Err(Over) = serve(&mut line, &doors, &worker, waiting).await;
    doors.agents.pool.remove(&worker);
    doors.agents.dispatches.worker_left(&worker.id, doors.app.domain.now());
    tracing::info!(worker = worker.id, "an agent worker left");
    line.hang_up().await;
}

/// Its first message, and the answer.
async fn register(line: &mut Line, out: mpsc::Sender<ServerMessage>) -> Result<Arc<Worker>, Over> {
    let request = loop {
        let frame = line.next().await;
        let said = line.hear::<WorkerMessage>(frame).await?.and_then(|message| message.message);
        if let Some(Said::Register(request)) = said {
            break request;
        }
    };
    if JobType::try_from(request.r#type).is_err() {
        return Err(Over);
    }
    let kind = Kind {
        namespace: request.namespace().to_owned(),
        agent_name: request.agent_name,
        deployment: request.deployment,
        job_type: request.r#type,
    };
    let permission = request.allowed_permissions.unwrap_or_else(|| proto::ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        can_update_metadata: true,
        ..proto::ParticipantPermission::default()
    });
    let worker = Worker::new(id("AW"), kind, permission, out);
    let registered = proto::RegisterWorkerResponse {
        worker_id: worker.id.clone(),
        server_info: Some(proto::ServerInfo { agent_protocol: 1, ..proto::ServerInfo::default() }),
        endpoint_settings: None,
    };
    let answer = line.word(&ServerMessage { message: Some(Say::Register(registered)) });
    line.send(vec![answer]).await?;
    Ok(worker)
}

async fn serve(
    line: &mut Line,
    doors: &House,
    worker: &Arc<Worker>,
    mut waiting: mpsc::Receiver<ServerMessage>,
) -> Result<std::convert::Infallible, Over> {
    loop {
        tokio::select! {
            frame = tokio::time::timeout(SILENCE, line.next()) => {
                let frame = frame.map_err(|_| Over)?;
                if let Some(message) = line.hear::<WorkerMessage>(frame).await?.and_then(|message| message.message) {
                    hear(doors, worker, message);
                }
            }
            Some(message) = waiting.recv() => {
                let message = line.word(&message);
                line.send(vec![message]).await?;
            }
        }
    }
}

fn hear(doors: &House, worker: &Arc<Worker>, message: Said) {
    let now = doors.app.domain.now();
    match message {
        Said::Availability(answer) => worker.answered(answer),
        Said::UpdateWorker(status) => worker.update(&status),
        Said::UpdateJob(status) => doors.agents.dispatches.update(&status, now),
        Said::Ping(ping) => {
            let millis = now.0.div_euclid(1_000);
            worker.tell(Say::Pong(proto::WorkerPong { last_timestamp: ping.timestamp, timestamp: millis }));
        }
        // A development server's job: in a room that the worker describes.
        Said::SimulateJob(wish) => doors.clone().simulate(worker.clone(), wish),
        // Registering again changes nothing; moving jobs between workers is for clusters.
        Said::Register(_) | Said::MigrateJob(_) => {}
    }
}
