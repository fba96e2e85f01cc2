//! [`Masked`]: events without secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::{Event, LogStream, StepId};
use crate::system::mask::{Mask, Stream};

/// All events pass through here before they are shown.
#[derive(Debug)]
pub(super) struct Masked {
    mask: Mask,
    /// The outputs of running steps, and when each was last written to.
    outputs: BTreeMap<(StepId, bool), (Stream, Duration)>,
}

impl Masked {
    pub(super) fn new(mask: &Mask) -> Self {
        Self {
            mask: mask.clone(),
            outputs: BTreeMap::new(),
        }
    }

    /// The masked events that replace an event.
    pub(super) fn apply<'e>(&mut self, event: &'e Event) -> Vec<Cow<'e, Event>> {
        if self.mask.is_empty() {
            return vec![Cow::Borrowed(event)];
        }
        let mut events = Vec::new();
        match event {
            Event::Log {
                step,
                stream,
                at,
                bytes,
            } => {
                let output = self.outputs.entry((*step, *stream == LogStream::Stderr));
                let output = output.or_insert_with(|| (self.mask.stream(), *at));
                output.1 = *at;
                let bytes = output.0.push(bytes);
                events.extend(log(*step, *stream, *at, bytes));
                return events;
            }
            Event::StepDone { step, .. }
            | Event::StepCached { step }
            | Event::StepCancelled { step }
            | Event::StepFailed { step, .. } => {
                for (errors, stream) in [(false, LogStream::Stdout), (true, LogStream::Stderr)] {
                    if let Some((mut output, at)) = self.outputs.remove(&(*step, errors)) {
                        events.extend(log(*step, stream, at, output.end()));
                    }
                }
            }
            _ => {}
        }
        events.push(Cow::Owned(self.words(event.clone())));
        events
    }

    /// An event with masked text.
    fn words(&self, mut event: Event) -> Event {
        let words = match &mut event {
            Event::StepKnown { name, .. } => name,
            Event::StepFailed { message, .. } | Event::Warning { message } => message,
            Event::Transfer { what, .. } => what,
            _ => return event,
        };
        *words = self.mask.text(words);
        event
    }
}

fn log(
    step: StepId,
    stream: LogStream,
    at: Duration,
    bytes: Vec<u8>,
) -> Option<Cow<'static, Event>> {
    if bytes.is_empty() {
        return None;
    }
    Some(Cow::Owned(Event::Log {
        step,
        stream,
        at,
        bytes,
    }))
}
