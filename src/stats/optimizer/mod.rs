//! Maximisation of log-likelihoods by Newton's method with exact derivatives.
//!
//! - [`maximise`] takes a few positive parameters and a log-likelihood that need not be concave. It works on logarithms of
//!   the parameters, keeps to a trust region, and recognises parameters without a finite estimate.
//! - [`maximise_concave`] takes any number of unbounded parameters of a concave function, such as a penalised logistic
//!   likelihood, and shortens steps until they gain.
//!
//! Both solve their linear systems with [`linear_algebra`](crate::stats::linear_algebra), and both give the same bytes on
//! any number of threads.

mod concave;
mod objective;
mod trust_region;

pub use concave::{Derivatives, maximise_concave};
pub use objective::Objective;
#[cfg(test)]
pub use objective::tests::check_derivatives;
pub use trust_region::{Optimum, Termination, maximise};
