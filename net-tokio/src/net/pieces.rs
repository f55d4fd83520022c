//! Listings of what a stack may have a million of: collected in pieces, between which it goes on.

use super::{Net, Routes};
use net_core::Stack;
use net_core::iface::IpCidr;
use net_core::route::{RouteTable, TableId};
use std::ops::Range;

impl Routes {
    /// What `add` finds about each prefix of a table, a piece of it for each look at the stack. What is found
    /// about one prefix is in one piece.
    pub(super) fn pieces<'a, T: 'a>(
        &'a self,
        table: TableId,
        add: impl Fn(&Stack, &RouteTable, IpCidr, &mut Vec<T>) + 'a,
    ) -> impl Iterator<Item = Vec<T>> + 'a {
        let mut last = None;
        self.engine().look_on(move |stack| {
            let routes = stack.route_table(table)?;
            let (behind, mut found) = (last, Vec::new());
            for prefix in routes.prefixes_after(behind).take(PIECE) {
                add(stack, routes, prefix, &mut found);
                last = Some(prefix);
                if found.len() >= PIECE {
                    break;
                }
            }
            (last != behind).then_some(found)
        })
    }
}

impl Net {
    /// What `find` finds in places that are numbered from 0, so many for each look at the stack, until there are
    /// no more places.
    pub(super) fn of_places<T>(
        &self,
        find: impl Fn(&Stack, Range<usize>) -> Option<Vec<T>>,
    ) -> Vec<T> {
        let mut first = 0;
        let pieces = self.engine().look_on(move |stack| {
            let piece = first..first + PIECE;
            first = piece.end;
            find(stack, piece)
        });
        pieces.flatten().collect()
    }
}

/// Prefixes, routes or places that one look at the stack goes through; a prefix with several routes may be the last.
const PIECE: usize = 1024;

#[cfg(all(test, not(loom)))]
#[path = "pieces_tests.rs"]
mod tests;
