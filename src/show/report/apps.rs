//! How the apps of a run ended, as a table.

use super::lines::Lines;
use super::{duration, size};
use crate::show::seat::Ended;

/// A row for each app: its state, image, size and time.
pub fn apps(names: &[String], ended: &[Ended]) -> String {
    let head = ["app", "state", "image", "size", "time"].map(str::to_owned);
    let row = |(name, ended): (&String, &Ended)| {
        [
            name.clone(),
            ended.state.word().to_owned(),
            ended.image.clone().unwrap_or_default(),
            ended.size.map(size).unwrap_or_default(),
            ended.took.map(duration).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(names.iter().zip(ended).map(row))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = Lines::default();
    for [name, state, image, size, time] in &rows {
        let [names, states, images, sizes, times] = widths;
        let line = format!(
            "{name:<names$}  {state:<states$}  {image:<images$}  {size:>sizes$}  {time:>times$}"
        );
        text.line(format_args!("{}", line.trim_end()));
    }
    text.into_text()
}
