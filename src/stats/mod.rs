//! Statistics: pure functions from numbers and counts to estimates. Nothing here knows the engine, files or configuration.
//!
//! | question | module |
//! |---|---|
//! | how long customers stay | [`survival`] (Kaplan–Meier curves, log-rank tests) |
//! | how often buyers buy, and who of them is still alive | [`buyers`] (BG/NBD, MBG/NBD, Pareto/NBD) |
//! | what a buyer spends | [`gammagamma`] |
//! | who renews a contract | [`renewals`] (sBG, BdW) |
//! | who will leave | [`logistic`], judged by [`ranking_quality`] |
//! | what a series will come to | [`smoothing`] (exponential smoothing, ETS) |
//! | rates, shares and means | [`churn_rate`], [`churn_window`], [`proportion`], [`student`] |
//!
//! Below these stand [`fit`] and [`optimizer`] (maximum likelihood), [`linear_algebra`], [`quadrature`], [`special`]
//! functions and tails of a [`distribution`].
//!
//! Sums run in a fixed order and transcendental functions come from `libm`, so that every figure has the same bytes on
//! every machine and on any number of threads.

pub mod buyers;
pub mod churn_rate;
pub mod churn_window;
pub mod distribution;
pub mod fit;
pub mod gammagamma;
pub mod linear_algebra;
pub mod logistic;
pub mod optimizer;
pub mod proportion;
pub mod quadrature;
pub mod ranking_quality;
pub mod renewals;
#[cfg(test)]
mod simulated;
pub mod smoothing;
pub mod special;
pub mod student;
pub mod survival;
