//! Middleware around every request, from the outside in: [`observe`], [`admission`], [`rate_limit`].

pub mod admission;
pub mod audit;
pub mod observe;
pub mod rate_limit;
