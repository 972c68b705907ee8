//! Middleware of every request, from the outside in: [`observe`], [`limits`].

pub mod audit;
pub mod limits;
pub mod observe;
