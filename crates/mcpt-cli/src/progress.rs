//! What a long command shows while it runs: a spinner on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use mcpt_core::{Progress, ProgressEvent, Silent};

use crate::{args::Global, messages, readable};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// The progress display that fits the options and the terminal. It is cleared when dropped.
pub(crate) fn display(global: &Global) -> Box<dyn Progress> {
    if global.quiet {
        Box::new(Silent)
    } else if io::stderr().is_terminal() && !global.no_progress {
        Box::new(Spinner::new())
    } else {
        Box::new(Lines::default())
    }
}

/// One line per event.
#[derive(Debug, Default)]
struct Lines {
    last: Mutex<Option<ProgressEvent>>,
}

impl Progress for Lines {
    fn event(&self, event: ProgressEvent) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&event) {
            return;
        }
        match &event {
            ProgressEvent::Step(text) => messages::line(text),
            ProgressEvent::Waiting(text) => messages::line(&format!("  {text}")),
            ProgressEvent::Warning(text) => messages::line(&format!("warning: {text}")),
        }
        *last = Some(event);
    }
}

/// A spinner with what is being done or waited for now.
#[derive(Debug)]
struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let template = if messages::styled() {
            "{spinner:.cyan} {wide_msg}"
        } else {
            "{spinner} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self { bar }
    }
}

impl Progress for Spinner {
    fn event(&self, event: ProgressEvent) {
        match event {
            ProgressEvent::Step(text) | ProgressEvent::Waiting(text) => {
                self.bar.set_message(readable::line(&text).into_owned());
            }
            ProgressEvent::Warning(text) => {
                self.bar
                    .println(format!("warning: {}", readable::text(&text)));
            }
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
