//! Calls of administrators, and the policy.

pub mod links;
pub mod policy;
