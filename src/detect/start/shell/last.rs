//! What a line ends with.

use crate::detect::script::{Line, Piece};

/// Splits pieces before the last one that stands alone: a command, or a subshell with its brackets,
/// that is in no other bracket and no pipe.
pub(super) fn last_of(pieces: &[Piece]) -> (&[Piece], &[Piece]) {
    let is = |piece: &Piece, wanted: &str| matches!(piece, Piece::Mark(mark) if mark == wanted);
    let mut at = pieces.len().saturating_sub(1);
    if pieces.last().is_some_and(|last| is(last, ")")) {
        let mut depth = 1;
        while depth > 0 && at > 0 {
            at -= 1;
            depth += usize::from(is(&pieces[at], ")"));
            depth -= usize::from(is(&pieces[at], "("));
        }
    }
    let (before, last) = pieces.split_at(at);
    if stands_alone(before) {
        (before, last)
    } else {
        (&[], pieces)
    }
}

/// Whether what follows these pieces is a command of the line itself: in no bracket and no pipe.
fn stands_alone(before: &[Piece]) -> bool {
    let mut depth = 0;
    for piece in before {
        match piece {
            Piece::Mark(mark) => match mark.as_str() {
                "(" | "{" | "if" | "while" | "until" => depth += 1,
                ")" | "}" | "fi" | "done" => depth -= 1,
                _ => {}
            },
            Piece::Command(command) if ["for", "case"].contains(&command.program()) => depth += 1,
            _ => {}
        }
    }
    let joins = ["&&", "||", ";", "&"];
    let last = before.last();
    depth == 0
        && last
            .is_none_or(|last| matches!(last, Piece::Mark(mark) if joins.contains(&mark.as_str())))
}

/// Whether a line runs script files.
pub(super) fn has_files(line: &Line) -> bool {
    line.pieces.iter().any(|piece| match piece {
        Piece::File(..) => true,
        Piece::Line(line, _) => has_files(line),
        Piece::Lines(lines, _) => lines.iter().any(has_files),
        Piece::Mark(_) | Piece::Command(_) => false,
    })
}
