//! The workers that are connected, and which of them is offered a job.

use livekit_protocol::{self as proto, AvailabilityResponse, JobType, ServerMessage, WorkerStatus};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How long a worker may think about an offer.
const OFFER: Duration = Duration::from_secs(10);

/// What jobs a worker takes. A job is offered to one worker of each kind that fits it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) agent_name: String,
    pub(crate) namespace: String,
    pub(crate) deployment: String,
    pub(crate) job_type: i32,
}

pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// What its agents may do in rooms.
    pub(crate) permission: proto::ParticipantPermission,
    out: mpsc::Sender<ServerMessage>,
    state: Mutex<State>,
}

struct State {
    available: bool,
    /// 0 to 1, as the worker says.
    load: f32,
    offers: HashMap<String, oneshot::Sender<AvailabilityResponse>>,
}

impl Worker {
    pub(crate) fn new(
        id: String,
        kind: Kind,
        permission: proto::ParticipantPermission,
        out: mpsc::Sender<ServerMessage>,
    ) -> Arc<Self> {
        let state = State { available: true, load: 0.0, offers: HashMap::new() };
        Arc::new(Self { id, kind, permission, out, state: Mutex::new(state) })
    }

    /// A worker that does not read what it is told loses it.
    pub(crate) fn tell(&self, message: proto::server_message::Message) -> bool {
        self.out.try_send(ServerMessage { message: Some(message) }).is_ok()
    }

    pub(crate) fn update(&self, status: &proto::UpdateWorkerStatus) {
        let mut state = self.state.lock();
        if status.status.is_some() {
            state.available = status.status() == WorkerStatus::WsAvailable;
        }
        state.available &= !status.draining;
        state.load = status.load;
    }

    /// Asks whether the worker takes the job; `None`: it does not say.
    pub(crate) async fn offer(&self, job: proto::Job) -> Option<AvailabilityResponse> {
        let id = job.id.clone();
        let (answer, answered) = oneshot::channel();
        self.state.lock().offers.insert(id.clone(), answer);
        let request = proto::AvailabilityRequest { job: Some(job), resuming: false };
        let asked = self.tell(proto::server_message::Message::Availability(request));
        let answer = match asked {
            true => tokio::time::timeout(OFFER, answered).await.ok().and_then(Result::ok),
            false => None,
        };
        self.state.lock().offers.remove(&id);
        answer
    }

    pub(crate) fn answered(&self, answer: AvailabilityResponse) {
        let offer = self.state.lock().offers.remove(&answer.job_id);
        if let Some(offer) = offer {
            let _ = offer.send(answer);
        }
    }

    /// Room for more work; `None`: takes none.
    fn room(&self) -> Option<f32> {
        let state = self.state.lock();
        let room = 1.0 - state.load;
        (state.available && room > 0.0).then_some(room)
    }
}

#[derive(Default)]
pub(crate) struct Pool {
    workers: Mutex<Vec<Arc<Worker>>>,
}

impl Pool {
    pub(crate) fn add(&self, worker: Arc<Worker>) {
        self.workers.lock().push(worker);
    }

    /// What it was offered and has not answered, others are asked for.
    pub(crate) fn remove(&self, worker: &Arc<Worker>) {
        self.workers.lock().retain(|other| !Arc::ptr_eq(other, worker));
        worker.state.lock().offers.clear();
    }

    pub(crate) fn worker(&self, id: &str) -> Option<Arc<Worker>> {
        self.workers.lock().iter().find(|worker| worker.id == id).cloned()
    }

    /// The kinds of worker that take such jobs: one for each namespace.
    pub(crate) fn kinds(&self, agent_name: &str, deployment: &str, job_type: JobType) -> HashSet<Kind> {
        let workers = self.workers.lock();
        let kinds = workers.iter().map(|worker| &worker.kind);
        let fits = |kind: &&Kind| {
            kind.agent_name == agent_name && kind.deployment == deployment && kind.job_type == job_type as i32
        };
        kinds.filter(fits).cloned().collect()
    }

    /// A worker of the kind that was not asked yet: by chance, the less loaded the likelier.
    pub(crate) fn pick(&self, kind: &Kind, asked: &HashSet<String>, chance: f32) -> Option<Arc<Worker>> {
        let workers = self.workers.lock();
        let fit = workers.iter().filter(|worker| worker.kind == *kind && !asked.contains(&worker.id));
        let rooms: Vec<_> = fit.filter_map(|worker| Some((worker, worker.room()?))).collect();
        let mut left = chance * rooms.iter().map(|(_, room)| room).sum::<f32>();
        for (worker, room) in &rooms {
            left -= room;
            if left < 0.0 {
                return Some((*worker).clone());
            }
        }
        rooms.last().map(|(worker, _)| (*worker).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        Kind { agent_name: "helper".into(), namespace: String::new(), deployment: String::new(), job_type: 0 }
    }

    fn worker(id: &str, load: f32) -> Arc<Worker> {
        let worker = Worker::new(id.into(), kind(), Default::default(), mpsc::channel(1).0);
        worker.update(&proto::UpdateWorkerStatus { load, ..Default::default() });
        worker
    }

    #[test]
    fn the_less_loaded_is_the_likelier() {
        let pool = Pool::default();
        [worker("busy", 0.75), worker("idle", 0.25), worker("full", 1.0)].into_iter().for_each(|w| pool.add(w));
        let pick = |asked: &[&str], chance| {
            let asked = asked.iter().map(|id| id.to_string()).collect();
            pool.pick(&kind(), &asked, chance).map(|worker| worker.id.clone())
        };
        assert_eq!(pick(&[], 0.24).as_deref(), Some("busy"));
        assert_eq!(pick(&[], 0.26).as_deref(), Some("idle"));
        assert_eq!(pick(&["idle"], 0.99).as_deref(), Some("busy"));
        assert_eq!(pick(&["idle", "busy"], 0.0), None, "a full one is not asked");
        assert!(pool.kinds("", "", JobType::JtRoom).is_empty());
        assert_eq!(pool.kinds("helper", "", JobType::JtRoom).len(), 1);
    }
}
