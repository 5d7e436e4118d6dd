//! Reads a list to its end.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Client;
use super::call::Call;
use super::envelope::{self, ResultInfo};
use crate::error::{ApiError, ApiErrorKind};

impl Client {
    /// Every object of the list, once, in the order of the pages. A list may be filtered by the
    /// token's permissions: what is not in it may exist.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: String) -> Result<Vec<T>, ApiError> {
        let mut listed = Listed::default();
        for number in 1..=MOST_PAGES {
            let call = Call::get(path.clone())
                .with_query("page", number)
                .with_query("per_page", PER_PAGE);
            let answer = self.transport.send(&call).await?;
            let (page, info) = envelope::open(&answer).map_err(|kind| call.failed(kind))?;
            match listed.add(number, page, info.unwrap_or_default()) {
                Progress::More => {}
                Progress::Complete => return listed.typed().map_err(|kind| call.failed(kind)),
                Progress::Repeated => return Err(call.failed(repeated(number))),
            }
        }
        let endless = format!("the list has more than {MOST_PAGES} pages");
        Err(Call::get(path).failed(ApiErrorKind::Unreadable(endless)))
    }
}

#[derive(Debug, Default)]
struct Listed {
    ids: HashSet<String>,
    objects: Vec<Value>,
}

#[derive(Debug, Eq, PartialEq)]
enum Progress {
    More,
    Complete,
    /// Nothing new came although there is more.
    Repeated,
}

impl Listed {
    fn add(&mut self, number: usize, page: Vec<Value>, info: ResultInfo) -> Progress {
        let before = self.objects.len();
        let last = page.is_empty();
        for object in page {
            let id = object
                .get("id")
                .map_or_else(|| object.to_string(), Value::to_string);
            if self.ids.insert(id) {
                self.objects.push(object);
            }
        }
        // A total of nothing on a page with something is no total.
        let pages = info.total_pages.filter(|pages| *pages > 0);
        let count = info.total_count.filter(|count| *count > 0);
        let at_end = last
            || pages.is_some_and(|pages| number >= pages)
            || count.is_some_and(|count| self.objects.len() >= count);
        if at_end {
            return Progress::Complete;
        }
        // A server that ignores `page` gives all it has each time.
        let nothing_new = self.objects.len() == before;
        match (nothing_new, count) {
            (false, _) => Progress::More,
            (true, None) => Progress::Complete,
            (true, Some(_)) => Progress::Repeated,
        }
    }

    fn typed<T: DeserializeOwned>(self) -> Result<Vec<T>, ApiErrorKind> {
        let objects = self.objects.into_iter().map(serde_json::from_value);
        objects.collect::<Result<_, _>>().map_err(|_| {
            ApiErrorKind::Unreadable("an object has another shape than is documented".to_owned())
        })
    }
}

fn repeated(number: usize) -> ApiErrorKind {
    ApiErrorKind::Unreadable(format!(
        "page {number} repeats earlier ones, and the list is not complete"
    ))
}

/// What every list of the API allows.
const PER_PAGE: usize = 50;
/// Twenty times the largest limit of an account.
const MOST_PAGES: usize = 400;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: std::ops::Range<u32>) -> Vec<Value> {
        ids.map(|id| json!({ "id": id.to_string() })).collect()
    }

    fn info(total_pages: Option<usize>, total_count: Option<usize>) -> ResultInfo {
        ResultInfo {
            total_pages,
            total_count,
        }
    }

    #[test]
    fn a_list_ends_at_its_count_its_last_page_or_an_empty_one() {
        let nothing = ResultInfo::default();
        let mut counted = Listed::default();
        assert_eq!(
            counted.add(1, page(0..2), info(None, Some(3))),
            Progress::More
        );
        assert_eq!(
            counted.add(2, page(2..3), info(None, Some(3))),
            Progress::Complete
        );
        let mut numbered = Listed::default();
        assert_eq!(
            numbered.add(1, page(0..2), info(Some(2), None)),
            Progress::More
        );
        assert_eq!(
            numbered.add(2, page(2..4), info(Some(2), None)),
            Progress::Complete
        );
        let mut untold = Listed::default();
        assert_eq!(untold.add(1, page(0..2), nothing), Progress::More);
        assert_eq!(untold.add(2, page(2..3), nothing), Progress::More);
        assert_eq!(untold.add(3, Vec::new(), nothing), Progress::Complete);
    }

    #[test]
    fn a_list_that_hides_objects_ends_at_its_empty_page() {
        let mut filtered = Listed::default();
        assert_eq!(
            filtered.add(1, page(0..2), info(None, Some(9))),
            Progress::More
        );
        assert_eq!(
            filtered.add(2, Vec::new(), info(None, Some(9))),
            Progress::Complete
        );
    }

    #[test]
    fn a_server_that_ignores_the_page_is_not_asked_for_ever() {
        let mut all_at_once = Listed::default();
        let nothing = ResultInfo::default();
        assert_eq!(all_at_once.add(1, page(0..2), nothing), Progress::More);
        assert_eq!(all_at_once.add(2, page(0..2), nothing), Progress::Complete);
        let mut partial = Listed::default();
        assert_eq!(
            partial.add(1, page(0..2), info(None, Some(9))),
            Progress::More
        );
        assert_eq!(
            partial.add(2, page(0..2), info(None, Some(9))),
            Progress::Repeated
        );
    }

    #[test]
    fn an_object_that_moved_to_the_next_page_is_listed_once() {
        let mut listed = Listed::default();
        listed.add(1, page(0..3), ResultInfo::default());
        listed.add(2, page(2..5), ResultInfo::default());
        let ids: Vec<Value> = listed.typed().unwrap();
        assert_eq!(ids, page(0..5));
    }
}
