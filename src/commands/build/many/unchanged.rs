//! Apps of a run whose images are there already.

use std::collections::VecDeque;
use std::time::Instant;

use super::queue::{Queue, Teller};
use crate::commands::build::run::Planned;
use crate::commands::build::unchanged::{Delivered, Looked, deliver};
use crate::commands::error::Error;

/// Apps that wait, with their numbers.
type Waiting<'p, 'w> = VecDeque<(usize, Planned<'p, 'w>)>;

impl<'w> Queue<'_, 'w> {
    /// Gives images that are there already their names, all at once, and returns the other apps.
    pub(super) fn without_unchanged<'p>(
        &'p self,
        waiting: Waiting<'p, 'w>,
        looked: &Looked,
        began: Instant,
        to: &Teller,
    ) -> Result<Waiting<'p, 'w>, Error> {
        let Some((first, _)) = waiting.front() else {
            return Ok(waiting);
        };
        // They are about the run. Its first app says them.
        self.run
            .warn_all(&looked.troubles, &mut self.ui(*first, to))?;
        let (mut found, mut rest) = (Vec::new(), VecDeque::new());
        for (app, planned) in waiting {
            let sought = planned.sought.as_ref();
            let there = sought.and_then(|sought| looked.there(app, sought, &planned.tags));
            match there {
                Some(there) => found.push((app, planned, there)),
                None => rest.push_back((app, planned)),
            }
        }
        if found.is_empty() {
            return Ok(rest);
        }
        let (apps, places): (Vec<_>, Vec<_>) = (found.into_iter())
            .map(|(app, planned, there)| ((app, planned), there))
            .unzip();
        let wanted = apps.iter().zip(places).filter_map(|((_, planned), there)| {
            let sought = planned.sought.as_ref()?;
            Some((planned, sought, there))
        });
        let delivered = deliver(self.run, wanted.collect(), &self.interrupt)?;
        for ((app, planned), delivered) in apps.into_iter().zip(delivered) {
            let mut ui = self.ui(app, to);
            let made = match delivered {
                Delivered::Unchanged(done) => {
                    self.reported(&done, planned.about(self.run), began, &mut ui)
                }
                Delivered::Failed(error) => Err(error),
                Delivered::Build(why) => {
                    self.run.warn_all(&[why], &mut ui)?;
                    rest.push_back((app, planned));
                    continue;
                }
            };
            self.ended(app, made, began, ui, to);
        }
        Ok(rest)
    }
}
