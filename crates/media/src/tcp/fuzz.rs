//! Bytes of a stream: wherever they are cut, the same packets are in them.

use super::*;

/// The first byte says in what pieces the others come.
pub fn framing(data: &[u8]) {
    let Some((&piece, stream)) = data.split_first() else { return };
    for framing in [Framing::Ice, Framing::Turn] {
        let whole = packets(framing, std::iter::once(stream));
        let pieces = packets(framing, stream.chunks(usize::from(piece).max(1)));
        assert_eq!(whole, pieces, "where a stream is cut changes nothing");
        for packet in &whole.0 {
            assert!(packet.len() <= FRAME_BYTES + 20);
            let mut again = Vec::new();
            assert!(framing.join(packet, &mut again));
            let alone = framing.split(&mut &again[..]).ok().flatten();
            // STUN whose length is none of STUN's is padded; nothing of ours has one.
            assert!(alone == Some(&packet[..]), "what is joined is split again");
        }
        whole.0.first().and_then(|packet| owner(packet, 2));
    }
}

/// Whether the stream goes on, and what is left of it.
type Rest = (bool, usize);

/// As [`Stream::read`] does it.
fn packets<'a>(framing: Framing, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Rest) {
    let (mut input, mut packets) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        let mut rest = &input[..];
        loop {
            match framing.split(&mut rest) {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(_) => return (packets, (false, 0)),
            }
        }
        input = rest.to_vec();
    }
    (packets, (true, input.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn any_stream_is_cut_alike() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..500 {
            let mut stream = vec![random.random()];
            while stream.len() < 200 {
                let length = random.random_range(0..40);
                let head: &[u8] = match random.random_range(0..4) {
                    0 => &[0, length],
                    1 => &[0x40, 0, 0, length],
                    2 => &[0, 1, 0, length & !3, 0x21, 0x12, 0xa4, 0x42],
                    _ => &[],
                };
                stream.extend_from_slice(head);
                stream.extend((0..length).map(|_| random.random::<u8>()));
            }
            framing(&stream);
        }
    }
}
