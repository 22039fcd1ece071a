//! Lists by pages: GraphQL's cursor connections.

use std::str::FromStr;

use async_graphql::OutputType;
use async_graphql::connection::{Connection, Edge};

use crate::error::{Answer, Code, fail};
use crate::limits::PAGE;
use crate::operation::Operation;

/// One page of a list.
pub(crate) type Page<N> = Connection<String, N>;

/// How many elements a page shall have.
pub(crate) fn length(operation: &Operation, first: Option<u32>) -> Answer<usize> {
    operation.in_time()?;
    let first = usize::try_from(first.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let most = operation.limits.page;
    if first > most {
        let message = format!("a page has at most {most} elements; ask for the next one with `after`");
        return Err(fail(Code::PageTooLarge, message));
    }
    Ok(first)
}

/// The thing after which a page begins.
pub(crate) fn after<K: FromStr>(cursor: Option<&str>) -> Answer<Option<K>> {
    let wrong = |text: &str| fail(Code::BadId, format!("`{text}` is not a cursor of this list"));
    cursor
        .map(|text| text.parse().map_err(|_| wrong(text)))
        .transpose()
}

/// A page from elements that begin after the cursor, each with its own cursor. Takes one element more than the page
/// has, to know whether there is another page.
pub(crate) fn page<N: OutputType>(
    length: usize,
    follows: bool,
    elements: impl IntoIterator<Item = (String, N)>,
) -> Page<N> {
    let mut elements = elements.into_iter();
    let edges: Vec<_> = elements
        .by_ref()
        .take(length)
        .map(|(cursor, node)| Edge::new(cursor, node))
        .collect();
    let mut page = Connection::new(follows, elements.next().is_some());
    page.edges = edges;
    page
}

/// The cost of a page, for the limit on expense.
pub(crate) fn cost(first: Option<u32>, each: usize) -> usize {
    usize::try_from(first.unwrap_or(PAGE))
        .unwrap_or(usize::MAX)
        .saturating_mul(each)
        .saturating_add(1)
}

/// The place of an element in a list, as a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) usize);

impl FromStr for Place {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
