//! From a token to who sent it (contract 1).
