//! mvi-aws.
