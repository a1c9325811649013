//! What str0m's SDP does not say in LiveKit's way: reading a client's offer for what its lines are, and rewriting our
//! own descriptions line by line (msid, unused lines, order of codecs, Opus settings).

use std::{borrow::Cow, fmt::Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    Audio,
    Video,
    Application,
}

/// One m-line of a client's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mid: String,
    pub(crate) kind: LineKind,
    /// The client sends on it.
    pub(crate) sends: bool,
    /// The client receives on it.
    pub(crate) receives: bool,
    /// The track id of `a=msid`.
    pub(crate) track_id: Option<String>,
    /// Simulcast encodings (`a=rid:… send`), in the order of the description.
    pub(crate) rids: Vec<String>,
}

/// Reads the m-lines. Rejected ones (port 0, outside any bundle) neither send nor receive.
pub(crate) fn lines(sdp: &str) -> Vec<Line> {
    let bundled: Vec<&str> =
        sdp.lines().find_map(|l| l.strip_prefix("a=group:BUNDLE")).map_or(vec![], |l| l.split_whitespace().collect());
    sections(sdp).skip(1).filter_map(|section| line(section, &bundled)).collect()
}

fn line(section: &str, bundled: &[&str]) -> Option<Line> {
    let mut head = section.lines().next()?.strip_prefix("m=")?.split_whitespace();
    let kind = match head.next()? {
        "audio" => LineKind::Audio,
        "video" => LineKind::Video,
        "application" => LineKind::Application,
        _ => return None,
    };
    let port = head.next()?;
    let value = |name: &str| section.lines().find_map(|l| l.strip_prefix(name));
    let mid = value("a=mid:")?.trim().to_owned();
    let open = port != "0" || bundled.contains(&mid.as_str());
    let has = |text: &str| section.lines().any(|l| l == text);
    let (only_sends, only_receives, none) = (has("a=sendonly"), has("a=recvonly"), has("a=inactive"));
    let track_id = value("a=msid:").and_then(|v| v.split_whitespace().nth(1)).map(str::to_owned);
    let rid = |l: &str| {
        let mut words = l.strip_prefix("a=rid:")?.split_whitespace();
        let id = words.next()?;
        (words.next() == Some("send")).then(|| id.to_owned())
    };
    Some(Line {
        mid,
        kind,
        sends: open && !only_receives && !none && kind != LineKind::Application,
        receives: open && !only_sends && !none && kind != LineKind::Application,
        track_id,
        rids: section.lines().filter_map(rid).collect(),
    })
}

/// The session's part first, then each m-line's.
pub(crate) fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(sdp);
    std::iter::from_fn(move || {
        let text = rest?;
        // From the second byte: a section begins with its own "m=".
        let end = text.get(1..).and_then(|t| t.find("\nm=")).map(|at| at + 2);
        let (section, tail) = end.map_or((text, None), |at| (&text[..at], Some(&text[at..])));
        rest = tail;
        Some(section)
    })
}

/// What to change in one m-line of our own description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The line is a place for a track that we send. `None`: str0m's direction stays.
    pub(crate) place: Option<Place>,
    /// Payload types to name first: the codec that the client shall send.
    pub(crate) prefer: Vec<u8>,
    /// Payload types to leave out.
    pub(crate) without: Vec<u8>,
    /// More Opus parameters (`usedtx=1`), by payload type.
    pub(crate) opus: Option<(u8, &'static str)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Free,
    /// The client's own, and it may do nothing but send there, whatever it offered.
    Theirs,
    Taken {
        stream_id: String,
        track_id: String,
    },
}

/// Rewrites our description; `edit` is asked for each m-line by its mid.
pub(crate) fn rewrite(sdp: &str, mut edit: impl FnMut(&str) -> Option<Edit>) -> String {
    let mut out = String::with_capacity(sdp.len() + 256);
    for section in sections(sdp) {
        let mid = section.lines().find_map(|l| l.strip_prefix("a=mid:"));
        match mid.and_then(&mut edit) {
            Some(edit) => rewrite_section(section, &edit, &mut out),
            None => out.push_str(section),
        }
    }
    out
}

fn rewrite_section(section: &str, edit: &Edit, out: &mut String) {
    for line in section.lines() {
        match rewrite_line(line, edit) {
            Rewritten::Same => out.push_str(line),
            Rewritten::Gone => continue,
            Rewritten::To(text) => out.push_str(&text),
        }
        out.push_str("\r\n");
    }
}

enum Rewritten {
    Same,
    Gone,
    To(String),
}

fn rewrite_line(line: &str, edit: &Edit) -> Rewritten {
    if line.starts_with("m=") && !(edit.prefer.is_empty() && edit.without.is_empty()) {
        return Rewritten::To(order(line, edit));
    }
    if let Some(pt) = payload_of(line)
        && edit.without.contains(&pt)
    {
        return Rewritten::Gone;
    }
    if let Some((pt, more)) = edit.opus
        && line.starts_with(&format!("a=fmtp:{pt} "))
    {
        return Rewritten::To(format!("{line};{more}"));
    }
    let ours = line.starts_with("a=msid:") || line.starts_with("a=ssrc");
    match &edit.place {
        None => Rewritten::Same,
        Some(Place::Free | Place::Theirs) if ours => Rewritten::Gone,
        Some(Place::Theirs) => match line {
            "a=sendonly" => Rewritten::To("a=inactive".into()),
            "a=sendrecv" => Rewritten::To("a=recvonly".into()),
            _ => Rewritten::Same,
        },
        Some(Place::Free) => match line {
            "a=sendonly" | "a=sendrecv" | "a=recvonly" => Rewritten::To("a=inactive".into()),
            _ => Rewritten::Same,
        },
        Some(Place::Taken { stream_id, track_id }) => {
            if line.starts_with("a=msid:") {
                return Rewritten::To(format!("a=msid:{stream_id} {track_id}"));
            }
            match line.split_once(" msid:") {
                Some((ssrc, _)) if ssrc.starts_with("a=ssrc:") => {
                    Rewritten::To(format!("{ssrc} msid:{stream_id} {track_id}"))
                }
                _ => Rewritten::Same,
            }
        }
    }
}

/// Puts the addresses that clients are told in the place of those bound (`a=candidate`). Behind a NAT they differ, and
/// one that is bound may be told under several.
pub(crate) fn readdress(sdp: &str, addresses: &[crate::LocalAddress]) -> String {
    if addresses.iter().all(|address| address.bound == address.told) {
        return sdp.to_owned();
    }
    let mut out = String::with_capacity(sdp.len() + 64);
    for line in sdp.split_inclusive("\r\n") {
        match line.starts_with("a=candidate:").then(|| told(line, addresses)).flatten() {
            Some(told) => out.extend(told),
            None => out.push_str(line),
        }
    }
    out
}

/// `a=candidate:foundation component proto priority address port typ …` with each address told. The foundation differs
/// with the address (RFC 8445, 5.1.1.3).
fn told(line: &str, addresses: &[crate::LocalAddress]) -> Option<Vec<String>> {
    let words: Vec<&str> = line.split(' ').collect();
    let proto = str0m::net::Protocol::try_from(words.get(2)?.to_lowercase().as_str()).ok()?;
    let (ip, port) = (words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
    let bound = std::net::SocketAddr::new(ip, port);
    let all = addresses.iter().filter(|a| a.proto == proto && a.bound == bound).enumerate();
    let lines = all.map(|(index, address)| {
        let foundation = if index == 0 { words[0].to_owned() } else { format!("{}{index}", words[0]) };
        let (ip, port) = (address.told.ip().to_string(), address.told.port().to_string());
        let [_, component, proto, priority, _, _, rest @ ..] = &words[..] else { return line.to_owned() };
        [&[foundation.as_str(), component, proto, priority, &ip, &port], rest].concat().join(" ")
    });
    Some(lines.collect())
}

/// A client's description without its ICE candidates. Ours is an agent that makes no checks (ICE-lite): it learns a client's addresses
/// by the checks that come from there, and of a list of them nothing but its length would matter, which is the client's choice.
pub(crate) fn without_candidates(sdp: &str) -> Cow<'_, str> {
    const CANDIDATE: &str = "a=candidate:";
    if !sdp.contains(CANDIDATE) {
        return sdp.into();
    }
    sdp.split_inclusive('\n').filter(|line| !line.starts_with(CANDIDATE)).collect::<String>().into()
}

/// Our description with these ICE credentials. Its candidates name the fragment too.
pub(crate) fn with_credentials(sdp: &str, credentials: &str0m::IceCreds) -> String {
    let str0m::IceCreds { ufrag, pass } = credentials;
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive("\r\n") {
        let candidate = line.strip_prefix("a=candidate:").and_then(|line| line.split_once(" ufrag "));
        let _ = match candidate {
            Some((candidate, _)) => write!(out, "a=candidate:{candidate} ufrag {ufrag}\r\n"),
            None if line.starts_with("a=ice-ufrag:") => write!(out, "a=ice-ufrag:{ufrag}\r\n"),
            None if line.starts_with("a=ice-pwd:") => write!(out, "a=ice-pwd:{pass}\r\n"),
            None => out.write_str(line),
        };
    }
    out
}

/// Bytes of one message of a data channel, as LiveKit has it.
pub(crate) const MESSAGE: usize = 65_535;

/// Says how long a message may be: str0m promises more than is taken, and a client would not learn that one was dropped.
pub(crate) fn with_message_size(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive("\r\n") {
        let _ = match line.starts_with("a=max-message-size:") {
            true => write!(out, "a=max-message-size:{MESSAGE}\r\n"),
            false => out.write_str(line),
        };
    }
    out
}

/// The payload type that an attribute speaks of.
fn payload_of(line: &str) -> Option<u8> {
    let rest = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// `m=video 9 UDP/TLS/RTP/SAVPF 96 97 …` with the preferred payload types first.
fn order(line: &str, edit: &Edit) -> String {
    let mut words = line.split(' ');
    let mut text: String = words.by_ref().take(3).collect::<Vec<_>>().join(" ");
    let offered: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    let first = edit.prefer.iter().filter(|pt| offered.contains(pt));
    let rest = offered.iter().filter(|pt| !edit.prefer.contains(pt));
    for pt in first.chain(rest).filter(|pt| !edit.without.contains(pt)) {
        let _ = write!(text, " {pt}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=msid:s camera-cid\r\na=sendonly\r\na=rid:q send\r\na=rid:h send\r\n\
        a=simulcast:send q;h\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

    #[test]
    fn an_offer_says_what_its_lines_are() {
        let lines = lines(OFFER);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].receives && !lines[0].sends && lines[0].kind == LineKind::Audio);
        assert!(lines[1].sends && !lines[1].receives);
        assert_eq!(lines[1].track_id.as_deref(), Some("camera-cid"));
        assert_eq!(lines[1].rids, ["q", "h"]);
        assert!(!lines[2].sends && !lines[2].receives && lines[2].kind == LineKind::Application);
    }

    #[test]
    fn a_rejected_line_carries_nothing() {
        let sdp = "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:7\r\na=sendrecv\r\n";
        assert_eq!(
            lines(sdp)[0],
            Line {
                mid: "7".into(),
                kind: LineKind::Audio,
                sends: false,
                receives: false,
                track_id: None,
                rids: vec![]
            }
        );
    }

    const ANSWER: &str = "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:0\r\na=sendonly\r\n\
        a=msid:x y\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n\
        a=ssrc:1 cname:c\r\na=ssrc:1 msid:x y\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\na=mid:1\r\na=sendonly\r\na=msid:p q\r\na=ssrc:2 msid:p q\r\n";

    #[test]
    fn places_are_taken_or_free_and_codecs_ordered() {
        let text = rewrite(ANSWER, |mid| match mid {
            "0" => Some(Edit {
                place: Some(Place::Taken { stream_id: "PA_a|TR_b".into(), track_id: "TR_b".into() }),
                without: vec![63],
                opus: Some((111, "usedtx=1")),
                ..Edit::default()
            }),
            "1" => Some(Edit { place: Some(Place::Free), prefer: vec![102], ..Edit::default() }),
            _ => None,
        });
        assert!(text.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), "{text}");
        assert!(!text.contains("red/48000"));
        assert!(text.contains("a=fmtp:111 minptime=10;usedtx=1\r\n"));
        assert!(text.contains("a=msid:PA_a|TR_b TR_b\r\n") && text.contains("a=ssrc:1 msid:PA_a|TR_b TR_b\r\n"));
        assert!(text.contains("m=video 9 UDP/TLS/RTP/SAVPF 102 96 97\r\n"));
        assert!(text.contains("a=inactive") && !text.contains("a=ssrc:2") && !text.contains("a=msid:p"));
        assert!(text.starts_with("v=0\r\na=group:BUNDLE 0 1\r\n"));
    }

    #[test]
    fn on_a_line_of_the_clients_nothing_is_sent() {
        let theirs = |direction: &str| {
            let answer = ANSWER.replace("a=sendonly", direction);
            rewrite(&answer, |_| Some(Edit { place: Some(Place::Theirs), ..Edit::default() }))
        };
        for (offered, said) in
            [("a=sendonly", "a=inactive"), ("a=sendrecv", "a=recvonly"), ("a=recvonly", "a=recvonly")]
        {
            let text = theirs(offered);
            assert_eq!(text.matches(&format!("{said}\r\n")).count(), 2, "{text}");
            assert!(!text.contains("a=send") && !text.contains("msid") && !text.contains("a=ssrc"), "{text}");
        }
    }

    #[test]
    fn an_address_is_told_as_the_world_knows_it() {
        use str0m::net::Protocol;
        let bound = "10.0.0.1:7882".parse().unwrap();
        let address = |told: &str| crate::LocalAddress { proto: Protocol::Udp, bound, told: told.parse().unwrap() };
        let sdp = "v=0\r\na=candidate:f 1 udp 99 10.0.0.1 7882 typ host\r\na=end-of-candidates\r\n";
        let text = readdress(sdp, &[address("10.0.0.1:7882"), address("203.0.113.7:7882")]);
        assert_eq!(
            text,
            "v=0\r\na=candidate:f 1 udp 99 10.0.0.1 7882 typ host\r\na=candidate:f1 1 udp 99 203.0.113.7 7882 typ host\r\n\
             a=end-of-candidates\r\n"
        );
    }

    #[test]
    fn candidates_are_left_out() {
        let sdp = "v=0\r\na=candidate:1 1 udp 9 10.0.0.1 1 typ host\r\na=mid:0\na=candidate:2 1 udp 9 10.0.0.2 1 typ host\n\
            a=end-of-candidates\r\na=candidate:3 1 udp 9 10.0.0.3 1 typ host";
        assert_eq!(without_candidates(sdp), "v=0\r\na=mid:0\na=end-of-candidates\r\n");
        assert_eq!(without_candidates(ANSWER), ANSWER);
    }

    #[test]
    fn nothing_to_change_changes_nothing() {
        assert_eq!(rewrite(ANSWER, |_| None), ANSWER);
        assert_eq!(rewrite(ANSWER, |_| Some(Edit::default())), ANSWER);
        assert_eq!(rewrite("", |_| None), "");
    }
}
