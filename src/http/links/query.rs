//! Query parameters.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use crate::http::error::ApiError;

/// A number within bounds.
pub fn number<T>(name: &str, value: &str, range: RangeInclusive<T>) -> Result<T, ApiError>
where
    T: FromStr + PartialOrd + Display,
{
    value.parse::<T>().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        ApiError::bad_value(name, format!("must be a whole number from {least} to {most}"))
    })
}
