//! How many connections one address may have open, so that no client takes all of them.
//!
//! Who has none open is not remembered: the table is never larger than there are connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::networks::own_network;

/// Open connections by address, and those that were turned away.
#[derive(Default)]
pub(crate) struct Places {
    open: Mutex<HashMap<IpAddr, usize>>,
    turned_away: Mutex<Option<TurnedAway>>,
}

/// One connection's place, for as long as this is held.
pub(crate) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

/// Connections that found no place since this was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    /// Where the last of them came from.
    pub(crate) network: IpAddr,
    pub(crate) connections: u64,
}

impl Places {
    /// A place among at most `limit` of this address; without one it is counted as turned away.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Place> {
        let network = own_network(address);
        let is_free = {
            let mut open = lock(&self.open);
            let taken = open.entry(network).or_default();
            let is_free = *taken < limit;
            *taken += usize::from(is_free);
            is_free
        };
        if !is_free {
            let mut turned_away = lock(&self.turned_away);
            let before = turned_away.map_or(0, |it| it.connections);
            *turned_away = Some(TurnedAway {
                network,
                connections: before + 1,
            });
            return None;
        }
        Some(Place {
            places: Arc::clone(self),
            network,
        })
    }

    /// Those that found no place, once.
    pub(crate) fn turned_away(&self) -> Option<TurnedAway> {
        lock(&self.turned_away).take()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.places.open);
        if let Entry::Occupied(mut taken) = open.entry(self.network) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_another_has_its_own() {
        let places = Arc::<Places>::default();
        let one = places.take(address("192.0.2.1"), 2);
        let two = places.take(address("192.0.2.1"), 2);
        assert!(one.is_some() && two.is_some());
        assert!(places.take(address("192.0.2.1"), 2).is_none());
        assert!(places.take(address("::ffff:192.0.2.1"), 2).is_none());
        assert!(places.take(address("192.0.2.2"), 2).is_some());
        let network = address("192.0.2.1");
        let connections = 2;
        let told = Some(TurnedAway {
            network,
            connections,
        });
        assert_eq!(places.turned_away(), told);
        assert_eq!(places.turned_away(), None, "told once");
        drop(one);
        assert!(places.take(address("192.0.2.1"), 2).is_some());
    }

    #[test]
    fn a_host_cannot_walk_through_its_own_network() {
        let places = Arc::<Places>::default();
        let held: Vec<_> = (1..=3)
            .map(|last| places.take(address(&format!("2001:db8::{last}")), 2))
            .collect();
        let taken = held.iter().filter(|place| place.is_some()).count();
        assert_eq!(taken, 2);
        assert!(places.take(address("2001:db8:0:1::1"), 2).is_some());
    }

    #[test]
    fn who_has_nothing_open_is_not_remembered() {
        let places = Arc::<Places>::default();
        for last in 0..=u8::MAX {
            drop(places.take(IpAddr::from([192, 0, 2, last]), 1));
        }
        assert!(lock(&places.open).is_empty());
    }
}
