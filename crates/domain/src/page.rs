//! Pages.

use crate::{error::Error, error::Result, limit};

/// Page `page` (from 1) of `limit` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub page: i64,
    pub limit: i64,
}

impl Window {
    /// A page that exists, of 1 to [`limit::PAGE`] rows.
    pub fn new(page: Option<i64>, rows: Option<i64>, default: i64) -> Result<Self> {
        let window = Self { page: page.unwrap_or(1), limit: rows.unwrap_or(default) };
        if !(1..=1_000_000_000).contains(&window.page) {
            return Err(Error::invalid("page", "page must be 1 or more"));
        }
        if !(1..=limit::PAGE).contains(&window.limit) {
            return Err(Error::invalid("limit", "limit must be from 1 to 100"));
        }
        Ok(window)
    }

    pub fn offset(&self) -> i64 {
        (self.page - 1) * self.limit
    }
}

#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Rows on all pages.
    pub total: i64,
    pub window: Window,
}

impl<T> Page<T> {
    pub fn pages(&self) -> i64 {
        self.total.div_euclid(self.window.limit) + i64::from(self.total % self.window.limit != 0)
    }

    pub fn has_next(&self) -> bool {
        self.window.page < self.pages()
    }

    pub fn has_prev(&self) -> bool {
        self.window.page > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_example() {
        let page = Page::<()> { rows: vec![], total: 25, window: Window::new(Some(1), Some(10), 20).unwrap() };
        assert_eq!((page.pages(), page.has_next(), page.has_prev()), (3, true, false));
        assert!(Window::new(Some(0), None, 20).is_err());
        assert!(Window::new(None, Some(101), 20).is_err());
    }
}
