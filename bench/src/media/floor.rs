//! The machine's own limit for a media server's packets: seal and send, nothing else.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use clap::{Args, ValueEnum};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::time::ClockId;
use quinn_udp::{Transmit, UdpSocketState};

use super::net::{Inbox, Net};
use crate::link::Poller;
use crate::machine;

/// An RTP header with an extension or two.
const HEADER: usize = 20;

/// What GCM adds.
const TAG: usize = 16;

/// The most that one call sends to one receiver.
const CALL: usize = 65_000;

/// Receivers that get a packet each in one call (`sendmmsg`): as many as with Convo.
const TOGETHER: usize = 64;

/// The SRTP protection profiles that clients and servers agree on (RFC 7714).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cipher {
    #[value(name = "aes-128-gcm")]
    Aes128,
    #[value(name = "aes-256-gcm")]
    Aes256,
}

impl Cipher {
    fn key(self, receiver: usize) -> Result<LessSafeKey> {
        let bytes = [receiver as u8; 32];
        let key = match self {
            Self::Aes128 => UnboundKey::new(&AES_128_GCM, &bytes[..16]),
            Self::Aes256 => UnboundKey::new(&AES_256_GCM, &bytes),
        };
        Ok(LessSafeKey::new(key.map_err(|_| anyhow!("no key"))?))
    }
}

#[derive(Args)]
pub(crate) struct FloorOptions {
    #[arg(long, value_enum, value_delimiter = ',', default_value = "aes-128-gcm,aes-256-gcm")]
    ciphers: Vec<Cipher>,
    /// Bytes of a packet, with its RTP header and the tag
    #[arg(long, value_delimiter = ',', default_value = "120,1200")]
    bytes: Vec<usize>,
    /// Packets that leave in one call to one receiver; with 1, one call is for many receivers
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,50")]
    bursts: Vec<usize>,
    #[arg(long, default_value_t = 100)]
    receivers: usize,
    /// Seconds for each figure
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    #[arg(long, default_value_t = 1)]
    loader_cpu: usize,
}

/// What is to be sent, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    pub(crate) cipher: Cipher,
    /// Bytes of a packet, with its RTP header and the tag.
    pub(crate) bytes: usize,
    /// Packets that leave in one call to one receiver (GSO). If it is 1, one call is for many receivers.
    pub(crate) burst: usize,
    pub(crate) receivers: usize,
    /// Packets in a second, the sender asleep between two rounds to all receivers, as a server is that has nothing to forward;
    /// or as many as it can.
    pub(crate) pace: Option<f64>,
    /// The processors of the sender and of the one who receives.
    pub(crate) cpus: (usize, usize),
}

pub(crate) fn run(options: &FloorOptions) -> Result<()> {
    println!("{:<14}{:>8}{:>8}{:>24}", "cipher", "bytes", "burst", "packets/CPU-second");
    for &cipher in &options.ciphers {
        for &bytes in &options.bytes {
            for &burst in &options.bursts {
                let cpus = (options.server_cpu, options.loader_cpu);
                let floor = Floor { cipher, bytes, burst, receivers: options.receivers, pace: None, cpus };
                let rate = floor.packets_per_cpu_second(Duration::from_secs_f64(options.seconds))?;
                let name = cipher.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
                println!("{name:<14}{bytes:>8}{burst:>8}{rate:>24.0}");
            }
        }
    }
    Ok(())
}

impl Floor {
    /// Seals and sends for a while; only the sender's CPU counts.
    pub(crate) fn packets_per_cpu_second(&self, time: Duration) -> Result<f64> {
        let mut net = Net::new(std::net::Ipv4Addr::LOCALHOST.into());
        let receivers = (0..self.receivers).map(|_| Ok(net.add()?.address)).collect::<Result<Vec<_>>>()?;
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let cpus = self.cpus;
        let listener = thread::spawn(move || {
            machine::pin(cpus.1)?;
            listen(&net, &until)
        });
        let sent = thread::scope(|scope| scope.spawn(|| self.send(&receivers, time)).join());
        over.store(true, Ordering::Relaxed);
        let heard = listener.join().map_err(|_| anyhow!("the receiver failed"))??;
        let (packets, cpu) = sent.map_err(|_| anyhow!("the sender failed"))??;
        ensure!(heard > 0, "nothing arrived");
        Ok(packets as f64 / cpu.as_secs_f64())
    }

    fn send(&self, receivers: &[SocketAddr], time: Duration) -> Result<(u64, Duration)> {
        ensure!(self.bytes > HEADER + TAG, "a packet has more than {} bytes", HEADER + TAG);
        machine::pin(self.cpus.0)?;
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        let burst = self.burst.clamp(1, state.max_gso_segments()).min(CALL / self.bytes);
        let keys = (0..receivers.len()).map(|receiver| self.cipher.key(receiver)).collect::<Result<Vec<_>>>()?;
        let packet = vec![0xaa; self.bytes - TAG];
        let (began, clock) = (Instant::now(), ClockId::CLOCK_THREAD_CPUTIME_ID);
        let (mut run, mut singles) = (Vec::with_capacity(burst * self.bytes), Singles::new(self.bytes));
        let cpu = clock.now()?;
        let mut packets = 0_u64;
        while began.elapsed() < time {
            if let Some(pace) = self.pace {
                let due = Duration::from_secs_f64(packets as f64 / pace);
                thread::sleep(due.saturating_sub(began.elapsed()));
            }
            for (destination, key) in receivers.iter().zip(&keys) {
                if burst == 1 {
                    packets += 1;
                    seal(key, &packet, packets, &mut singles.contents)?;
                    singles.push(*destination, &socket)?;
                    continue;
                }
                run.clear();
                for _ in 0..burst {
                    packets += 1;
                    seal(key, &packet, packets, &mut run)?;
                }
                let segment_size = Some(self.bytes);
                let transmit =
                    Transmit { destination: *destination, ecn: None, contents: &run, segment_size, src_ip: None };
                // A full receiver loses packets; the sender has sent them.
                state.try_send((&socket).into(), &transmit)?;
            }
            singles.flush(&socket)?;
        }
        Ok((packets, Duration::from(clock.now()? - cpu)))
    }
}

/// Packets of one size, each for another receiver.
struct Singles {
    bytes: usize,
    contents: Vec<u8>,
    destinations: Vec<Option<SockaddrStorage>>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Singles {
    fn new(bytes: usize) -> Self {
        let (contents, destinations) = (Vec::with_capacity(TOGETHER * bytes), Vec::with_capacity(TOGETHER));
        Self { bytes, contents, destinations, headers: MultiHeaders::preallocate(TOGETHER, None) }
    }

    /// The last of `contents` is for this one.
    fn push(&mut self, destination: SocketAddr, socket: &UdpSocket) -> Result<()> {
        self.destinations.push(Some(destination.into()));
        if self.destinations.len() == TOGETHER { self.flush(socket) } else { Ok(()) }
    }

    fn flush(&mut self, socket: &UdpSocket) -> Result<()> {
        let Self { bytes, contents, destinations, headers } = self;
        let slices: Vec<_> = contents.chunks(*bytes).map(|packet| [IoSlice::new(packet)]).collect();
        let mut sent = 0;
        while sent < destinations.len() {
            let (slices, to) = (&slices[sent..], &destinations[sent..]);
            sent += sendmmsg(socket.as_raw_fd(), headers, slices, to, [], MsgFlags::empty())?.count();
        }
        destinations.clear();
        contents.clear();
        Ok(())
    }
}

/// Appends a copy of the packet, sealed: what a server does for each receiver at least.
fn seal(key: &LessSafeKey, packet: &[u8], number: u64, run: &mut Vec<u8>) -> Result<()> {
    let begin = run.len();
    run.extend_from_slice(packet);
    let (header, payload) = run[begin..].split_at_mut(HEADER);
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
    run.extend_from_slice(tag.map_err(|_| anyhow!("the packet can't be sealed"))?.as_ref());
    Ok(())
}

/// Takes what comes until it is over, without sleeping; returns how many datagrams came.
fn listen(net: &Net, over: &AtomicBool) -> Result<u64> {
    let mut poller = Poller::new()?;
    for (index, socket) in net.sockets().enumerate() {
        poller.watch(socket, index)?;
    }
    let (mut inbox, mut heard) = (Inbox::new(), 0);
    while !over.load(Ordering::Relaxed) {
        for socket in poller.wait(Some(machine::now()))? {
            while !over.load(Ordering::Relaxed) && net.receive(socket, &mut inbox)? {
                heard += inbox.datagrams().count() as u64;
            }
        }
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_to_many_leave_together_and_all_arrive() {
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let receivers: Vec<_> = (0..TOGETHER + 3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
        let mut singles = Singles::new(5);
        for (number, receiver) in (0..).zip(&receivers) {
            singles.contents.extend_from_slice(&[number; 5]);
            singles.push(receiver.local_addr().expect("bound"), &sender).expect("sent");
        }
        assert_eq!(singles.destinations.len(), 3, "a whole call has left");
        singles.flush(&sender).expect("sent");
        for (number, receiver) in (0_u8..).zip(&receivers) {
            let mut packet = [0; 9];
            assert_eq!((receiver.recv(&mut packet).expect("a packet"), packet[4]), (5, number));
        }
    }
}
