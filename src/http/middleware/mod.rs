//! Middleware of every request, from the outside in: [`observe`], [`admission`].

pub mod admission;
pub mod audit;
pub mod observe;
