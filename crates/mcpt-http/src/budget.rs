//! [`Budget`]: the bytes that a process may hold for its clients, and a fair share of them for each.
//!
//! A message is held while it arrives, while it waits for whoever takes it next, and while its receiver reads it. Limits on
//! each single place add up to more than any machine has, so all places draw on one budget. A quarter of it is a reserve for
//! those who hold little. Of the rest an account (a session, or a request without one) may hold as much as it leaves free
//! for all others: one alone gets a half, two get a third each.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// The bytes that may be held at once. Clones are the same budget.
#[derive(Clone)]
pub struct Budget(Arc<Pool>);

struct Pool {
    total: usize,
    /// What only accounts that hold at most `floor` may use.
    reserve: usize,
    floor: usize,
    used: Mutex<usize>,
    freed: Notify,
}

/// One of those who share a [`Budget`]. Clones are the same account.
#[derive(Clone)]
pub struct Account {
    pool: Arc<Pool>,
    /// Changed only under the lock of the pool.
    held: Arc<Mutex<usize>>,
}

/// Bytes that an account holds; given back when this is dropped.
#[derive(Debug)]
pub struct Charge {
    account: Account,
    bytes: usize,
}

/// Why there is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// The account holds its share. HTTP status 429.
    #[error(
        "{held} bytes of this client are held already, which leaves no room for {wanted} more: read what was answered, \
         and send less at once"
    )]
    Account {
        /// Bytes that the account holds.
        held: usize,
        /// Bytes that it wanted besides.
        wanted: usize,
    },
    /// All accounts together hold too much. HTTP status 503.
    #[error(
        "{used} of {total} bytes for messages are held for clients now, which leaves no room for {wanted} more: try again"
    )]
    Process {
        /// Bytes that are held.
        used: usize,
        /// Bytes that may be held.
        total: usize,
        /// Bytes that were wanted besides.
        wanted: usize,
    },
}

impl Budget {
    /// A budget of `total` bytes, a quarter of which is kept for accounts that hold at most `floor` bytes.
    pub fn new(total: usize, floor: usize) -> Self {
        Self(Arc::new(Pool {
            total,
            reserve: total / 4,
            floor,
            used: Mutex::new(0),
            freed: Notify::new(),
        }))
    }

    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new account, which holds nothing.
    pub fn account(&self) -> Account {
        Account {
            pool: Arc::clone(&self.0),
            held: Arc::default(),
        }
    }
}

impl Pool {
    /// Whether an account that holds `held` bytes may have `wanted` more while `used` are held in all.
    fn has_room(&self, used: usize, held: usize, wanted: usize) -> bool {
        let left = self.total.saturating_sub(used).checked_sub(wanted);
        let would_hold = held.saturating_add(wanted);
        left.is_some_and(|left| {
            would_hold <= self.floor || would_hold <= left.saturating_sub(self.reserve)
        })
    }
}

impl Account {
    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds so many bytes.
    ///
    /// # Errors
    /// [`OverBudget`] when there is no room for them now.
    pub fn take(&self, bytes: usize) -> Result<Charge, OverBudget> {
        self.add(bytes)?;
        Ok(Charge {
            account: self.clone(),
            bytes,
        })
    }

    /// A charge of no bytes, to grow later.
    pub fn nothing(&self) -> Charge {
        Charge {
            account: self.clone(),
            bytes: 0,
        }
    }

    /// Holds so many bytes, once there is room for them. Whoever waits takes no place from others meanwhile, and gives up
    /// when this is dropped.
    pub async fn take_when_free(&self, bytes: usize) -> Charge {
        loop {
            let mut freed = std::pin::pin!(self.pool.freed.notified());
            freed.as_mut().enable();
            if let Ok(charge) = self.take(bytes) {
                return charge;
            }
            freed.await;
        }
    }

    fn add(&self, wanted: usize) -> Result<(), OverBudget> {
        let pool = &self.pool;
        let mut used = pool.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.has_room(*used, *held, wanted) {
            *used += wanted;
            *held += wanted;
            Ok(())
        } else if pool.has_room(*used, 0, wanted) {
            Err(OverBudget::Account {
                held: *held,
                wanted,
            })
        } else {
            Err(OverBudget::Process {
                used: *used,
                total: pool.total,
                wanted,
            })
        }
    }

    fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        {
            let mut used = self
                .pool
                .used
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            *used = used.saturating_sub(bytes);
            *held = held.saturating_sub(bytes);
        }
        self.pool.freed.notify_waiters();
    }
}

impl Charge {
    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Who holds them.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Grows to so many bytes, if it is less.
    ///
    /// # Errors
    /// [`OverBudget`] when there is no room now; it stays as it is then.
    pub fn grow(&mut self, to: usize) -> Result<(), OverBudget> {
        let more = to.saturating_sub(self.bytes);
        if more > 0 {
            self.account.add(more)?;
            self.bytes = to;
        }
        Ok(())
    }

    /// Grows to so many bytes, once there is room.
    pub async fn grow_when_free(&mut self, to: usize) {
        let more = to.saturating_sub(self.bytes);
        if more > 0 {
            self.merge(self.account.take_when_free(more).await);
        }
    }

    /// Gives back what is more than so many bytes.
    pub fn shrink(&mut self, to: usize) {
        self.account.give_back(self.bytes.saturating_sub(to));
        self.bytes = self.bytes.min(to);
    }

    /// Takes so many bytes off as a charge of their own; all of them when there are fewer.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            account: self.account.clone(),
            bytes,
        }
    }

    /// Adds another charge of the same account to it.
    pub fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// These bytes, held until the last clone of them and the last slice out of them is dropped.
    pub fn hold(self, bytes: Vec<u8>) -> Bytes {
        struct Held {
            bytes: Vec<u8>,
            _charge: Charge,
        }
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }
        Bytes::from_owner(Held {
            bytes,
            _charge: self,
        })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {})", self.held(), self.0.total)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.held())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_greedy_share_and_small_ones_always_find_room() {
        let budget = Budget::new(1000, 10);
        let greedy = budget.account();
        let mut held = greedy.take(1).unwrap();
        let mut most = 1;
        while held.grow(most + 1).is_ok() {
            most += 1;
        }
        assert_eq!((most, greedy.held(), budget.held()), (375, 375, 375));
        assert_eq!(
            greedy.take(1).unwrap_err(),
            OverBudget::Account {
                held: 375,
                wanted: 1
            }
        );
        // However many more are greedy, those that want little are served.
        let mut charges = Vec::new();
        let greedy_too: Vec<_> = (0..5).map(|_| budget.account()).collect();
        for other in &greedy_too {
            while let Ok(charge) = other.take(1) {
                charges.push(charge);
            }
        }
        let small: Vec<_> = (0..15).map(|_| budget.account()).collect();
        charges.extend(small.iter().map(|account| account.take(10).unwrap()));
        assert!(matches!(
            small[0].take(500),
            Err(OverBudget::Process { .. })
        ));
        drop((held, charges));
        assert_eq!((budget.held(), greedy.held()), (0, 0));
    }

    #[test]
    fn nobody_holds_more_than_there_is() {
        let budget = Budget::new(100, 10);
        let accounts: Vec<_> = (0..11).map(|_| budget.account()).collect();
        let mut charges: Vec<_> = accounts.iter().map_while(|a| a.take(10).ok()).collect();
        assert_eq!((charges.len(), budget.held()), (10, 100));
        charges.pop();
        assert!(accounts[10].take(10).is_ok());
    }

    #[test]
    fn bytes_count_until_their_last_slice_is_gone() {
        let budget = Budget::new(100, 10);
        let account = budget.account();
        let mut charge = account.take(12).unwrap();
        let rest = charge.split(2);
        let whole = charge.hold(b"0123456789".to_vec());
        let slice = whole.slice(3..5);
        drop((whole, rest));
        assert_eq!((budget.held(), account.held()), (10, 10));
        drop(slice);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn whoever_waits_has_room_once_it_is_given_back() {
        let budget = Budget::new(100, 10);
        let (one, two) = (budget.account(), budget.account());
        let mut held = one.take(30).unwrap();
        let mut waits = std::pin::pin!(two.take_when_free(25));
        assert!(waits.as_mut().now_or_never().is_none());
        held.shrink(10);
        assert_eq!(waits.now_or_never().unwrap().bytes(), 25);
        // One that gave up holds nothing.
        assert_eq!((budget.held(), two.held()), (10, 0));
    }
}
