//! How many bytes of a compressed blob each part of its tar takes.
//!
//! A decoder takes bytes of the blob and gives bytes of the tar, piece by piece. What it took for a piece
//! is divided evenly over the bytes of that piece. gzip's pieces are as small as the reads (a header, or 8 kB
//! of a file); zstd's are blocks of up to 128 kB. Shares of adjacent parts add up exactly to the share of both,
//! and those of the whole tar to the whole blob.

/// No more pieces than this are told apart until the tar is very large.
const PIECES: usize = 1 << 20;
/// From then on, a piece has at least this many bytes of the tar.
const COARSE: u64 = 1 << 20;

/// The pieces, in order.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Where each begins in the tar, and how much of the blob was taken up to its end.
    pieces: Vec<(u64, u64)>,
    /// The end of the tar so far.
    end: u64,
}

impl Share {
    /// The tar has gone from `begin` to `end`, and so much of the blob is taken now.
    pub(super) fn took(&mut self, begin: u64, end: u64, taken: u64) {
        let before = self.pieces.last().map_or(0, |(_, taken)| *taken);
        self.end = end;
        if taken == before {
            return;
        }
        let last = self.pieces.len();
        match self.pieces.last_mut() {
            // What is taken at the end, for checksums, belongs to the last piece.
            Some(piece) if begin == end || (last >= PIECES && begin - piece.0 < COARSE) => {
                piece.1 = taken;
            }
            _ => self.pieces.push((begin, taken)),
        }
    }

    /// The part of the blob that belongs to a part of the tar.
    pub(super) fn between(&self, begin: u64, end: u64) -> u64 {
        self.up_to(end) - self.up_to(begin)
    }

    fn up_to(&self, place: u64) -> u64 {
        let after = self.pieces.partition_point(|(begin, _)| *begin < place);
        let Some(at) = after.checked_sub(1) else {
            return 0;
        };
        let (begin, taken) = self.pieces[at];
        let end = self.pieces.get(after).map_or(self.end, |(begin, _)| *begin);
        let before = at.checked_sub(1).map_or(0, |at| self.pieces[at].1);
        if place >= end {
            return taken;
        }
        let part = u128::from(taken - before) * u128::from(place - begin) / u128::from(end - begin);
        before + u64::try_from(part).unwrap_or(taken - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_a_piece_is_divided_over_it() {
        let mut share = Share::default();
        share.took(0, 100, 10);
        // This comes from what the decoder holds already.
        share.took(100, 200, 10);
        share.took(200, 300, 50);
        share.took(300, 300, 58);
        assert_eq!(share.between(0, 200), 10);
        assert_eq!(share.between(50, 150), 5);
        assert_eq!(share.between(200, 300), 48);
        assert_eq!(share.between(0, 300), 58);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut share = Share::default();
        for at in 0..1000 {
            share.took(at * 7, at * 7 + 7, at * at / 3);
        }
        let whole = share.between(0, 7000);
        assert_eq!(whole, 999 * 999 / 3);
        for step in [1, 3, 13, 512] {
            let parts = (0..7000).step_by(step);
            let parts = parts.map(|at| share.between(at, (at + step as u64).min(7000)));
            assert_eq!(parts.sum::<u64>(), whole, "{step}");
        }
    }

    #[test]
    fn a_tar_of_endless_pieces_is_not_kept_in_memory() {
        let mut share = Share::default();
        for at in 0..3 * (PIECES as u64) {
            share.took(at, at + 1, at + 1);
        }
        assert!(share.pieces.len() < PIECES + 16);
        assert_eq!(share.between(0, 3 * PIECES as u64), 3 * PIECES as u64);
    }
}
