//! Finding a worker for a job, and giving it the job with a token for its agent.

use super::{
    dispatch::running,
    id,
    pool::{Kind, Worker},
};
use crate::House;
use livekit_protocol::{self as proto, JobStatus, JobType, server_message::Message as Say};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};

/// Seconds that an agent's token lives: for coming in; it is refreshed inside.
const TOKEN: i64 = 3600;
/// By this attribute clients know which agent it is.
const AGENT_NAME: &str = "lk.agent_name";

/// What a dispatch wants, and of whom.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) dispatch: proto::AgentDispatch,
    pub(super) job_type: JobType,
    pub(super) room: proto::Room,
    /// Whom the agent is for; none: the room.
    pub(super) participant: Option<proto::ParticipantInfo>,
}

impl crate::Doors {
    /// Offers the job to one worker of every namespace, in the background.
    pub(super) fn launch(self: &Arc<Self>, wanted: Wanted) {
        let dispatch = &wanted.dispatch;
        for kind in self.agents.pool.kinds(&dispatch.agent_name, &dispatch.deployment, wanted.job_type) {
            tokio::spawn(place(self.clone(), wanted.clone(), kind));
        }
    }

    pub(super) fn simulate(self: House, worker: Arc<Worker>, wish: proto::SimulateJobRequest) {
        let job_type = if wish.participant.is_some() { JobType::JtPublisher } else { JobType::JtRoom };
        let dispatch = proto::AgentDispatch { agent_name: worker.kind.agent_name.clone(), ..Default::default() };
        let room = wish.room.unwrap_or_default();
        let wanted = Wanted { dispatch, job_type, room, participant: wish.participant };
        tokio::spawn(async move {
            let job = job(&self, &wanted, &worker.kind);
            assign(&self, &worker, job).await;
        });
    }
}

/// Asks one worker after another until one takes the job.
async fn place(doors: House, wanted: Wanted, kind: Kind) {
    let (job, mut asked) = (job(&doors, &wanted, &kind), HashSet::new());
    while let Some(worker) = doors.agents.pool.pick(&kind, &asked, rand::random()) {
        asked.insert(worker.id.clone());
        if let Some(job) = assign(&doors, &worker, job.clone()).await {
            // The dispatch may have been deleted while the worker thought about it.
            if !doors.agents.dispatches.add_job(&wanted.room.name, job.clone()) && running(&job) {
                doors.terminate(&job);
            }
            return;
        }
    }
    let (room, agent) = (&wanted.room.name, &kind.agent_name);
    tracing::warn!(room, agent, asked = asked.len(), "no agent worker takes a job");
}

fn job(doors: &House, wanted: &Wanted, kind: &Kind) -> proto::Job {
    let now = doors.app.domain.now().0 * 1_000;
    let Wanted { dispatch, job_type, room, participant } = wanted.clone();
    let state = proto::JobState {
        status: JobStatus::JsRunning as i32,
        started_at: now,
        updated_at: now,
        ..proto::JobState::default()
    };
    #[expect(deprecated, reason = "workers of older SDKs still have namespaces")]
    proto::Job {
        id: id("AJ"),
        dispatch_id: dispatch.id,
        r#type: job_type as i32,
        room: Some(room),
        participant,
        namespace: kind.namespace.clone(),
        metadata: dispatch.metadata,
        agent_name: dispatch.agent_name,
        state: Some(state),
        deployment: dispatch.deployment,
        attributes: dispatch.attributes,
        ..proto::Job::default()
    }
}

/// Offers the job, and gives it to the worker if it takes it. The job as it is then; `None`: ask another.
async fn assign(doors: &House, worker: &Arc<Worker>, mut job: proto::Job) -> Option<proto::Job> {
    let state = job.state.get_or_insert_default();
    state.worker_id = worker.id.clone();
    state.agent_id = id("A");
    let answer = worker.offer(job.clone()).await?;
    let state = job.state.get_or_insert_default();
    if answer.terminate {
        // It looked, and there is nothing to do.
        state.status = JobStatus::JsSuccess as i32;
        state.ended_at = state.started_at;
        return Some(job);
    }
    if !answer.available {
        return None;
    }
    state.participant_identity = answer.participant_identity.clone();
    let room = job.room.as_ref().map_or("", |room| &room.name);
    let token = token(doors, worker, room, answer);
    let assignment = proto::JobAssignment { job: Some(job.clone()), url: None, token };
    worker.tell(Say::Assignment(assignment)).then_some(job)
}

fn token(doors: &House, worker: &Worker, room: &str, agent: proto::AvailabilityResponse) -> String {
    let now = doors.app.domain.now().seconds();
    let allowed = &worker.permission;
    let mut attributes = agent.participant_attributes;
    attributes.insert(AGENT_NAME.into(), worker.kind.agent_name.clone());
    let claims = json!({
        "sub": agent.participant_identity,
        "name": agent.participant_name,
        "kind": "agent",
        "metadata": agent.participant_metadata,
        "attributes": attributes,
        "nbf": now,
        "exp": now + TOKEN,
        "video": {
            "room": room,
            "roomJoin": true,
            "agent": true,
            "hidden": allowed.hidden,
            "canSubscribe": allowed.can_subscribe,
            "canPublish": allowed.can_publish,
            "canPublishData": allowed.can_publish_data,
            "canUpdateOwnMetadata": allowed.can_update_metadata,
            "canSubscribeMetrics": allowed.can_subscribe_metrics,
        },
    });
    match claims {
        Value::Object(claims) => doors.keys.sign(&claims),
        _ => String::new(),
    }
}
