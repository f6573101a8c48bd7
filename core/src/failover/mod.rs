//! Failover: which replica is active.
