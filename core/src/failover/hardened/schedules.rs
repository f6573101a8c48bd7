//! Many schedules.
