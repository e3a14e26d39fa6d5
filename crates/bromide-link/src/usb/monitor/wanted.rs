//! Which phone is meant, known from the beginning or from the first that comes.

use std::sync::{Arc, Mutex, PoisonError};

/// A port chain that is known, or not yet. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct WantedPort(Arc<Mutex<Option<String>>>);

impl WantedPort {
    /// This port; `None`: that of the first phone that comes.
    #[must_use]
    pub fn new(port: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(port)))
    }

    /// The port, once it is known.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this port counts. What was recorded of another one before stays.
    pub fn set(&self, port: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(port.to_owned());
    }

    /// Whether a phone at `port` is meant; the first one is.
    pub(super) fn takes(&self, port: &str) -> bool {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.get_or_insert_with(|| port.to_owned()) == port
    }
}
