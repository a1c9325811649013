//! LiveKit's server API: Twirp (version 7 of its specification), protobuf or JSON in and out.

mod call;
mod fault;
pub(crate) mod rooms;
mod spelling;

pub(crate) use call::Call;
pub(crate) use fault::{Code, Fault};

use crate::{House, agent};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};

pub(crate) type Answer = Result<Vec<u8>, Fault>;

/// `POST /twirp/livekit.<Service>/<Method>`
pub(crate) async fn serve(
    State(doors): State<House>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    match answer(&doors, &service, &method, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

/// Anything but `POST`.
pub(crate) async fn wrong_method() -> Response {
    Fault::new(Code::BadRoute, "only POST is allowed").into_response()
}

async fn answer(doors: &House, service: &str, method: &str, request: Request) -> Result<Response, Fault> {
    let call = Call::new(doors, request).await?;
    let answer = match service {
        "livekit.RoomService" => rooms::serve(doors, &call, method).await,
        "livekit.AgentDispatchService" => agent::serve(doors, &call, method).await,
        "livekit.Egress" | "livekit.Ingress" | "livekit.SIP" | "livekit.Connector" | "livekit.PhoneNumberService" => {
            let text =
                format!("{service} is not part of this server; run LiveKit's own service beside a LiveKit server");
            Err(Fault::new(Code::Unimplemented, text))
        }
        _ => Err(no_route(service, method)),
    };
    answer.map(|bytes| call.respond(bytes))
}

pub(crate) fn no_route(service: &str, method: &str) -> Fault {
    Fault::new(Code::BadRoute, format!("no handler for path \"/twirp/{service}/{method}\""))
}
