//! Places among an application's policies: unique, ours in file order.

use std::collections::{BTreeMap, BTreeSet};

/// The lowest numbers for `count` policies of ours, in order, that nobody else has.
pub(super) fn free_places(taken: &BTreeSet<u64>, count: usize) -> Vec<u64> {
    (1..)
        .filter(|place| !taken.contains(place))
        .take(count)
        .collect()
}

/// Where the others go so that ours can have `1..=count`: each keeps its place or moves back as
/// little as it can, and their order stays.
pub(super) fn make_room(others: &[u64], count: usize) -> Vec<(u64, u64)> {
    let mut sorted = others.to_vec();
    sorted.sort_unstable();
    let mut next = u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
    let mut moves = Vec::new();
    for place in sorted {
        let to = place.max(next);
        if to != place {
            moves.push((place, to));
        }
        next = to + 1;
    }
    // From behind: the place each one goes to is free by then.
    moves.reverse();
    moves
}

/// The moves that bring each policy from its place to its new one without two ever having the
/// same: one at a time, with a detour where they go in a circle.
pub(super) fn moves<'a>(
    places: &BTreeMap<&'a str, (u64, u64)>,
    fixed: &BTreeSet<u64>,
) -> Vec<(&'a str, u64, u64)> {
    let mut now: BTreeMap<&str, u64> = places.iter().map(|(id, (from, _))| (*id, *from)).collect();
    let mut steps = Vec::new();
    loop {
        let waiting: Vec<(&str, u64)> = places
            .iter()
            .map(|(id, (_, to))| (*id, *to))
            .filter(|(id, to)| now.get(id) != Some(to))
            .collect();
        let Some(&(first, _)) = waiting.first() else {
            return steps;
        };
        let is_free = |to: u64| now.values().all(|place| *place != to) && !fixed.contains(&to);
        let (id, to) = waiting
            .iter()
            .copied()
            .find(|(_, to)| is_free(*to))
            .unwrap_or_else(|| {
                let last = now
                    .values()
                    .chain(fixed)
                    .chain(places.values().map(|(_, to)| to))
                    .max();
                (first, last.copied().unwrap_or_default() + 1)
            });
        let from = now.insert(id, to).unwrap_or_default();
        steps.push((id, from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_take_the_numbers_that_others_leave() {
        assert_eq!(free_places(&BTreeSet::from([1, 3]), 3), [2, 4, 5]);
    }

    #[test]
    fn others_keep_their_order_and_move_no_further_than_they_must() {
        assert_eq!(make_room(&[1, 2, 9], 2), [(2, 4), (1, 3)]);
        assert_eq!(make_room(&[3, 4], 2), []);
    }

    #[test]
    fn two_that_change_places_take_a_detour() {
        let places = BTreeMap::from([("a", (1, 2)), ("b", (2, 1))]);
        let steps = moves(&places, &BTreeSet::from([3]));
        assert_eq!(steps, [("a", 1, 4), ("b", 2, 1), ("a", 4, 2)]);
    }

    #[test]
    fn a_shift_goes_from_the_free_end() {
        let places = BTreeMap::from([("a", (1, 2)), ("b", (2, 3))]);
        assert_eq!(moves(&places, &BTreeSet::new()), [("b", 2, 3), ("a", 1, 2)]);
    }
}
