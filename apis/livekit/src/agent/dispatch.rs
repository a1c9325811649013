//! Which agents are wanted in which rooms, and the jobs that came of it. Lives as long as the room.

use super::{id, job::Wanted};
use crate::{
    Doors, House,
    twirp::{Answer, Call, no_route, rooms::check_dispatch},
};
use convo_domain::clock::Timestamp;
use convo_sfu::{Answer as Said, Ask, Event, EventKind};
use livekit_protocol::{
    self as proto, AgentDispatch, AgentDispatchState, Job, JobStatus, JobType, RoomAgentDispatch,
    participant_info::Kind as ParticipantKind, server_message::Message as Say,
};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};

#[derive(Default)]
pub(crate) struct Dispatches {
    rooms: Mutex<HashMap<String, Room>>,
}

#[derive(Default)]
struct Room {
    /// Wanted from the start of the room, which has not begun yet.
    planned: Vec<RoomAgentDispatch>,
    started: bool,
    dispatches: Vec<AgentDispatch>,
    called_for: CalledFor,
}

/// For whom the agents of the dispatches that there were have been called, by session.
#[derive(Default, Clone)]
struct CalledFor {
    /// Who has joined.
    people: HashSet<String>,
    /// Who has published something.
    publishers: HashSet<String>,
}

impl Dispatches {
    /// What a room shall have, if it is made by what comes next.
    pub(crate) fn plan(&self, room: &str, agents: &[RoomAgentDispatch]) {
        if agents.is_empty() {
            return;
        }
        let mut rooms = self.rooms.lock();
        let room = rooms.entry(room.to_owned()).or_default();
        if !room.started && room.planned.is_empty() {
            room.planned = agents.to_vec();
        }
    }

    /// The room was not made after all.
    pub(crate) fn unplan(&self, room: &str) {
        let mut rooms = self.rooms.lock();
        if rooms.get(room).is_some_and(|room| !room.started && room.dispatches.is_empty()) {
            rooms.remove(room);
        }
    }

    /// Who is there already: for others the agent is called when they come.
    fn add(&self, dispatch: AgentDispatch) -> CalledFor {
        let mut rooms = self.rooms.lock();
        let room = rooms.entry(dispatch.room.clone()).or_default();
        room.dispatches.push(dispatch);
        room.called_for.clone()
    }

    fn of(&self, room: &str) -> Vec<AgentDispatch> {
        self.rooms.lock().get(room).map(|room| room.dispatches.clone()).unwrap_or_default()
    }

    fn remove(&self, room: &str, id: &str) -> Option<AgentDispatch> {
        let mut rooms = self.rooms.lock();
        let dispatches = &mut rooms.get_mut(room)?.dispatches;
        let index = dispatches.iter().position(|dispatch| dispatch.id == id)?;
        Some(dispatches.remove(index))
    }

    /// What was planned for the room becomes dispatches; without a plan, agents without a name come by themselves.
    fn start(&self, name: &str, now: Timestamp) -> Vec<AgentDispatch> {
        let mut rooms = self.rooms.lock();
        let room = rooms.entry(name.to_owned()).or_default();
        room.started = true;
        let mut planned = std::mem::take(&mut room.planned);
        if planned.is_empty() && room.dispatches.is_empty() {
            planned.push(RoomAgentDispatch::default());
        }
        let begun: Vec<_> = planned.into_iter().map(|agent| dispatch(name, agent, now)).collect();
        room.dispatches.extend(begun.iter().cloned());
        begun
    }

    /// Whether the dispatch is still there.
    pub(super) fn add_job(&self, room: &str, job: Job) -> bool {
        let mut rooms = self.rooms.lock();
        let mut dispatches = rooms.get_mut(room).into_iter().flat_map(|room| &mut room.dispatches);
        let dispatch = dispatches.find(|dispatch| dispatch.id == job.dispatch_id);
        dispatch.map(|dispatch| dispatch.state.get_or_insert_default().jobs.push(job)).is_some()
    }

    /// Somebody has joined; the dispatches whose agents are called for them.
    fn joins(&self, room: &str, sid: &str) -> Vec<AgentDispatch> {
        self.call_for(room, sid, |called_for| &mut called_for.people)
    }

    /// Somebody has published a track, and so calls for these, if it is their first.
    fn publishes(&self, room: &str, sid: &str) -> Vec<AgentDispatch> {
        self.call_for(room, sid, |called_for| &mut called_for.publishers)
    }

    fn call_for(
        &self,
        room: &str,
        sid: &str,
        those: impl FnOnce(&mut CalledFor) -> &mut HashSet<String>,
    ) -> Vec<AgentDispatch> {
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get_mut(room) else { return vec![] };
        match those(&mut room.called_for).insert(sid.to_owned()) {
            true => room.dispatches.clone(),
            false => vec![],
        }
    }

    fn gone(&self, room: &str, sid: &str) {
        if let Some(room) = self.rooms.lock().get_mut(room) {
            room.called_for.people.remove(sid);
            room.called_for.publishers.remove(sid);
        }
    }

    /// A worker says how a job is doing.
    pub(super) fn update(&self, status: &proto::UpdateJobStatus, now: Timestamp) {
        self.each_job(|job| {
            if job.id == status.job_id {
                finish(job, status.status(), &status.error, now);
            }
        });
    }

    pub(super) fn worker_left(&self, worker: &str, now: Timestamp) {
        self.each_job(|job| {
            if running(job) && job.state.as_ref().is_some_and(|state| state.worker_id == worker) {
                finish(job, JobStatus::JsFailed, "the agent worker is gone", now);
            }
        });
    }

    /// The jobs of an agent that left the room; they are over.
    fn agent_left(&self, room: &str, identity: &str, now: Timestamp) -> Vec<Job> {
        let mut over = Vec::new();
        let mut rooms = self.rooms.lock();
        for dispatch in rooms.get_mut(room).into_iter().flat_map(|room| &mut room.dispatches) {
            for job in &mut dispatch.state.get_or_insert_default().jobs {
                let its = job.state.as_ref().is_some_and(|state| state.participant_identity == identity);
                if its && running(job) {
                    finish(job, JobStatus::JsSuccess, "", now);
                    over.push(job.clone());
                }
            }
        }
        over
    }

    fn each_job(&self, mut change: impl FnMut(&mut Job)) {
        let mut rooms = self.rooms.lock();
        let dispatches = rooms.values_mut().flat_map(|room| &mut room.dispatches);
        let states = dispatches.filter_map(|dispatch| dispatch.state.as_mut());
        states.flat_map(|state| &mut state.jobs).for_each(&mut change);
    }
}

impl Doors {
    /// Agents follow what happens in the rooms.
    pub(crate) fn tell_agents(self: &House, event: &Event) {
        let (room, now) = (&event.room, self.app.domain.now());
        let launch = |dispatches: Vec<AgentDispatch>, job_type, participant: Option<&proto::ParticipantInfo>| {
            for dispatch in dispatches {
                self.launch(Wanted { dispatch, job_type, room: room.clone(), participant: participant.cloned() });
            }
        };
        match &event.kind {
            EventKind::RoomStarted => launch(self.agents.dispatches.start(&room.name, now), JobType::JtRoom, None),
            EventKind::RoomFinished(_) => drop(self.agents.dispatches.rooms.lock().remove(&room.name)),
            EventKind::ParticipantJoined { info, .. } if for_agents(info) => {
                launch(self.agents.dispatches.joins(&room.name, &info.sid), JobType::JtParticipant, Some(info));
            }
            EventKind::TrackPublished { info, .. } if for_agents(info) => {
                launch(self.agents.dispatches.publishes(&room.name, &info.sid), JobType::JtPublisher, Some(info));
            }
            EventKind::ParticipantLeft { info, .. } if info.kind() == ParticipantKind::Agent => {
                let over = self.agents.dispatches.agent_left(&room.name, &info.identity, now);
                over.iter().for_each(|job| self.terminate(job));
            }
            EventKind::ParticipantLeft { info, .. } | EventKind::ParticipantAborted { info, .. } => {
                self.agents.dispatches.gone(&room.name, &info.sid);
            }
            _ => {}
        }
    }

    pub(super) fn terminate(&self, job: &Job) {
        let worker = job.state.as_ref().and_then(|state| self.agents.pool.worker(&state.worker_id));
        if let Some(worker) = worker {
            worker.tell(Say::Termination(proto::JobTermination { job_id: job.id.clone() }));
        }
    }
}

/// `livekit.AgentDispatchService`
pub(crate) async fn serve(doors: &House, call: &Call, method: &str) -> Answer {
    match method {
        "CreateDispatch" => create(doors, call).await,
        "DeleteDispatch" => delete(doors, call).await,
        "ListDispatch" => list(doors, call).await,
        _ => Err(no_route("livekit.AgentDispatchService", method)),
    }
}

/// Makes the room if there is none, and sends the agent.
async fn create(doors: &House, call: &Call) -> Answer {
    let ask: proto::CreateAgentDispatchRequest = call.read()?;
    call.admin(&ask.room)?;
    check_dispatch(&ask.metadata, &ask.attributes)?;
    let name = doors.media_name(ask.room).await?;
    let agent = RoomAgentDispatch {
        agent_name: ask.agent_name,
        metadata: ask.metadata,
        restart_policy: ask.restart_policy,
        deployment: ask.deployment,
        attributes: ask.attributes,
    };
    let dispatch = dispatch(&name, agent, doors.app.domain.now());
    // First, so that a room which this makes does not call for the agents that come by themselves.
    let there = doors.agents.dispatches.add(dispatch.clone());
    let made = doors.media.ask(Ask::CreateRoom(proto::CreateRoomRequest { name: name.clone(), ..Default::default() }));
    let room = match made.await {
        Ok(Said::Room(room)) => *room,
        Ok(_) => proto::Room { name: name.clone(), ..Default::default() },
        Err(refusal) => {
            doors.agents.dispatches.remove(&name, &dispatch.id);
            return Err(refusal.into());
        }
    };
    let wanted = Wanted { dispatch: dispatch.clone(), job_type: JobType::JtRoom, room, participant: None };
    doors.launch(wanted.clone());
    // Those who are there already.
    if let Ok(Said::Participants(people)) =
        doors.media.ask(Ask::ListParticipants(proto::ListParticipantsRequest { room: name })).await
    {
        for info in people.into_iter().filter(for_agents) {
            let of = |job_type| Wanted { job_type, participant: Some(info.clone()), ..wanted.clone() };
            if there.people.contains(&info.sid) {
                doors.launch(of(JobType::JtParticipant));
            }
            if there.publishers.contains(&info.sid) {
                doors.launch(of(JobType::JtPublisher));
            }
        }
    }
    call.write(&dispatch)
}

async fn delete(doors: &House, call: &Call) -> Answer {
    let ask: proto::DeleteAgentDispatchRequest = call.read()?;
    call.admin(&ask.room)?;
    let name = doors.media_name(ask.room).await?;
    let removed = doors.agents.dispatches.remove(&name, &ask.dispatch_id);
    let mut dispatch = removed.ok_or(convo_sfu::Refusal::NotFound("requested dispatch does not exist"))?;
    let now = doors.app.domain.now();
    let state = dispatch.state.get_or_insert_default();
    state.deleted_at = now.0 * 1_000;
    for job in state.jobs.iter_mut().filter(|job| running(job)) {
        doors.terminate(job);
        finish(job, JobStatus::JsSuccess, "", now);
    }
    call.write(&dispatch)
}

async fn list(doors: &House, call: &Call) -> Answer {
    let ask: proto::ListAgentDispatchRequest = call.read()?;
    call.admin(&ask.room)?;
    let mut agent_dispatches = doors.agents.dispatches.of(&doors.media_name(ask.room).await?);
    agent_dispatches.retain(|dispatch| ask.dispatch_id.is_empty() || dispatch.id == ask.dispatch_id);
    call.write(&proto::ListAgentDispatchResponse { agent_dispatches })
}

fn dispatch(room: &str, agent: RoomAgentDispatch, now: Timestamp) -> AgentDispatch {
    AgentDispatch {
        id: id("AD"),
        agent_name: agent.agent_name,
        room: room.to_owned(),
        metadata: agent.metadata,
        state: Some(AgentDispatchState { created_at: now.0 * 1_000, ..AgentDispatchState::default() }),
        restart_policy: agent.restart_policy,
        deployment: agent.deployment,
        attributes: agent.attributes,
    }
}

/// Agents are for people, and for what stands in for them.
fn for_agents(info: &proto::ParticipantInfo) -> bool {
    !matches!(info.kind(), ParticipantKind::Agent | ParticipantKind::Egress)
}

pub(super) fn running(job: &Job) -> bool {
    job.state.as_ref().is_some_and(|state| matches!(state.status(), JobStatus::JsPending | JobStatus::JsRunning))
}

fn finish(job: &mut Job, status: JobStatus, error: &str, now: Timestamp) {
    let state = job.state.get_or_insert_default();
    state.status = status as i32;
    state.error = error.to_owned();
    state.updated_at = now.0 * 1_000;
    if matches!(status, JobStatus::JsSuccess | JobStatus::JsFailed) {
        state.ended_at = state.updated_at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> RoomAgentDispatch {
        RoomAgentDispatch { agent_name: name.into(), ..Default::default() }
    }

    fn names(dispatches: Vec<AgentDispatch>) -> Vec<String> {
        dispatches.into_iter().map(|dispatch| dispatch.agent_name).collect()
    }

    #[test]
    fn a_room_begins_with_what_was_planned() {
        let (dispatches, now) = (Dispatches::default(), Timestamp(0));
        dispatches.plan("r", &[agent("first")]);
        dispatches.plan("r", &[agent("late")]);
        assert_eq!(names(dispatches.start("r", now)), ["first"]);
        dispatches.plan("r", &[agent("too late")]);
        assert_eq!(names(dispatches.of("r")), ["first"]);
        assert_eq!(names(dispatches.start("other", now)), [""], "agents without a name come by themselves");
        dispatches.add(dispatch("asked", agent("asked"), now));
        assert!(dispatches.start("asked", now).is_empty(), "but not where one was asked for");
        dispatches.plan("never", &[agent("x")]);
        dispatches.unplan("never");
        assert!(!dispatches.rooms.lock().contains_key("never"));
    }

    #[test]
    fn a_publisher_is_one_for_as_long_as_they_are_there() {
        let dispatches = Dispatches::default();
        let publishes = |sid| !dispatches.publishes("r", sid).is_empty();
        assert!(!publishes("PA_1"), "no such room");
        dispatches.start("r", Timestamp(0));
        assert!(publishes("PA_1") && publishes("PA_2"));
        assert!(!publishes("PA_1"), "another track, or the first one again");
        dispatches.gone("r", "PA_1");
        assert!(publishes("PA_1"));
    }

    #[test]
    fn an_agent_is_called_once_for_who_comes_as_it_is_dispatched() {
        let dispatches = Dispatches::default();
        dispatches.start("r", Timestamp(0));
        dispatches.joins("r", "PA_there");
        let there = dispatches.add(dispatch("r", agent("late"), Timestamp(0)));
        assert!(there.people.contains("PA_there") && !there.people.contains("PA_coming"), "nor is there a publisher");
        assert!(there.publishers.is_empty());
        assert_eq!(names(dispatches.joins("r", "PA_coming")), ["", "late"]);
        assert!(dispatches.joins("r", "PA_there").is_empty());
        assert_eq!(names(dispatches.publishes("r", "PA_there")), ["", "late"]);
    }

    #[test]
    fn a_job_ends_with_its_worker_or_its_agent() {
        let (dispatches, now) = (Dispatches::default(), Timestamp(7));
        let made = dispatch("r", agent("a"), now);
        dispatches.add(made.clone());
        for (id, worker, identity) in [("1", "w1", "agent-1"), ("2", "w2", "agent-2")] {
            let state = proto::JobState {
                status: JobStatus::JsRunning as i32,
                worker_id: worker.into(),
                participant_identity: identity.into(),
                ..Default::default()
            };
            let job = Job { id: id.into(), dispatch_id: made.id.clone(), state: Some(state), ..Default::default() };
            assert!(dispatches.add_job("r", job));
        }
        dispatches.worker_left("w1", now);
        assert_eq!(dispatches.agent_left("r", "agent-1", now), [], "it failed already");
        assert_eq!(dispatches.agent_left("r", "agent-2", now).len(), 1);
        let jobs = dispatches.of("r").remove(0).state.unwrap().jobs;
        let status = |job: &Job| job.state.as_ref().unwrap().status();
        assert_eq!(jobs.iter().map(status).collect::<Vec<_>>(), [JobStatus::JsFailed, JobStatus::JsSuccess]);
        assert!(jobs.iter().all(|job| job.state.as_ref().unwrap().ended_at == 7_000));
    }
}
