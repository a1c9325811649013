//! RPC in which the server itself is the caller (RoomService's PerformRpc).

use super::*;
use crate::{
    io::{Answer, AskId, Refusal},
    peer::Lane,
};
use prost::Message as _;
use proto::{data_packet::Value, rpc_response};
use std::time::Duration;

/// When the caller names no time.
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);
/// The SDKs' own codes and words for what ends a call without an answer.
const TIMED_OUT: (u32, &str) = (1502, "Response timeout");
const DISCONNECTED: (u32, &str) = (1503, "Recipient disconnected");
/// The RPC's wire version: one packet each way.
const VERSION: u32 = 1;
/// As the SDKs: a larger payload is refused.
const PAYLOAD: usize = 15 << 10;

/// A call under way.
#[derive(Debug)]
pub(crate) struct Call {
    ask: AskId,
    id: String,
    callee: ParticipantKey,
    until: Instant,
}

impl Room {
    /// The answer follows with the participant's response. An error is the answer at once.
    pub(crate) fn perform_rpc(
        &mut self,
        ask: AskId,
        r: proto::PerformRpcRequest,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let callee = self.identities.get(&r.destination_identity).copied();
        let callee = callee.ok_or(Refusal::NotFound("participant does not exist"))?;
        if r.payload.len() > PAYLOAD {
            return Err(Refusal::InvalidArgument("payload is too large"));
        }
        let wish = Duration::from_millis(r.response_timeout_ms.into());
        let patience = if wish.is_zero() { TIMEOUT } else { wish.min(LONGEST) };
        let id = id::rpc();
        let request = proto::RpcRequest {
            id: id.clone(),
            method: r.method,
            payload: r.payload,
            response_timeout_ms: patience.as_millis() as u32,
            version: VERSION,
            ..Default::default()
        };
        // Responses are addressed to the caller; the call's id is as good a name as any.
        let packet = proto::DataPacket {
            participant_identity: id.clone(),
            destination_identities: vec![r.destination_identity],
            value: Some(Value::RpcRequest(request)),
            ..Default::default()
        };
        // The payload is not all: the method's name has no bound of its own.
        if packet.encoded_len() > super::data::MESSAGE {
            return Err(Refusal::InvalidArgument("request is too large"));
        }
        self.calls.push(Call { ask, id, callee, until: cx.now + patience });
        self.send_to(callee, Lane::Reliable, &packet, cx);
        Ok(())
    }

    /// Whether the packet answers a call of the server's.
    pub(super) fn takes_answer(&mut self, from: ParticipantKey, packet: &proto::DataPacket, cx: &mut Cx<'_>) -> bool {
        let id = match &packet.value {
            Some(Value::RpcResponse(response)) => &response.request_id,
            Some(Value::RpcAck(ack)) => return self.calls.iter().any(|c| c.id == ack.request_id),
            _ => return false,
        };
        let Some(index) = self.calls.iter().position(|c| c.id == *id && c.callee == from) else { return false };
        let call = self.calls.swap_remove(index);
        let answer = match packet.value.as_ref() {
            Some(Value::RpcResponse(proto::RpcResponse {
                value: Some(rpc_response::Value::Payload(text)), ..
            })) => Ok(Answer::Rpc(text.clone())),
            Some(Value::RpcResponse(proto::RpcResponse { value: Some(rpc_response::Value::Error(error)), .. })) => {
                Err(Refusal::Rpc { code: error.code, message: error.message.clone(), data: error.data.clone() })
            }
            _ => Err(Refusal::FailedPrecondition("the participant's answer cannot be read")),
        };
        cx.out.push_back(Output::Answer { id: call.ask, answer });
        true
    }

    /// The id of one that waits.
    pub(crate) fn waiting_call(&self) -> Option<&str> {
        self.calls.first().map(|call| call.id.as_str())
    }

    /// Calls whose time is over, or whose callee is gone.
    pub(super) fn give_up_calls(&mut self, cx: &mut Cx<'_>) {
        let people = &self.people;
        self.calls.retain(|call| {
            let (code, message) = match people.contains_key(call.callee) {
                false => DISCONNECTED,
                true if cx.now >= call.until => TIMED_OUT,
                true => return true,
            };
            let answer = Err(Refusal::Rpc { code, message: message.into(), data: String::new() });
            cx.out.push_back(Output::Answer { id: call.ask, answer });
            false
        });
    }
}
