//! The result of a maximum-likelihood fit: the same for every model.

use serde::{Deserialize, Serialize};

use crate::stats::optimizer::{Optimum, Termination};
use crate::stats::proportion::Z95;

/// An estimated parameter θ > 0 on its natural scale.
///
/// The standard error comes from the inverted Hessian (the observed information). The interval is exp(ln θ ± 1.96·se/θ):
/// normal in ln θ, hence positive. Standard error and interval are `None` where the fit did not converge, and where the
/// likelihood says next to nothing about the parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The parameter's name, one of [`Parametric::NAMES`].
    pub name: String,
    /// The estimate of θ, positive.
    pub estimate: f64,
    /// The standard error of θ.
    pub std_error: Option<f64>,
    /// The lower end of the 95 % interval.
    pub low: Option<f64>,
    /// The upper end of the 95 % interval.
    pub high: Option<f64>,
}

/// A fitted model, or the reason why there is none. Every number in it is finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit<M> {
    /// The model; `None` unless the fit converged, so that an unconverged one cannot score.
    pub model: Option<M>,
    /// Where the search ended, converged or not; empty if there was nothing to fit.
    pub parameters: Vec<Parameter>,
    /// The log-likelihood at these parameters; `None` if there was nothing to fit.
    pub log_likelihood: Option<f64>,
    /// max |∂LL/∂ln θ| / customers at these parameters.
    pub gradient_norm: Option<f64>,
    /// The number of customers in the likelihood.
    pub customers: u64,
    /// True if the search ended at a maximum, see [`Termination::Optimum`].
    pub converged: bool,
    /// The covariance of the log-parameters, row by row, in the order of the parameters; empty unless converged.
    pub covariance: Vec<f64>,
    /// For people: why there is no figure, and which figures to mistrust.
    pub notes: Vec<String>,
}

/// A model with a few positive parameters.
pub trait Parametric: Sized {
    /// The names of the parameters, in their order.
    const NAMES: &'static [&'static str];
    /// For each parameter what it means for the customers that its estimate runs off to 0, and to infinity: for example
    /// `("hardly anybody drops out", "everybody drops out at once")`.
    const LIMITS: &'static [(&'static str, &'static str)];

    /// The model with these parameters. `None` unless there is one for each name and each lies in the range that the model
    /// can compute with.
    fn of(parameters: &[f64]) -> Option<Self>;
}

/// Above this standard error of ln θ (an interval over nine orders of magnitude) a parameter counts as undetermined.
const UNDETERMINED: f64 = 5.0;

impl<M> Fit<M> {
    /// No fit, with the reason.
    pub fn none(customers: u64, note: impl Into<String>) -> Fit<M> {
        Fit {
            model: None,
            parameters: vec![],
            log_likelihood: None,
            gradient_norm: None,
            customers,
            converged: false,
            covariance: vec![],
            notes: vec![note.into()],
        }
    }

    /// The same fit with a further note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Fit<M> {
        self.notes.push(note.into());
        self
    }
}

impl<M: Parametric> Fit<M> {
    /// Makes a fit of the optimiser's result: standard errors, intervals and notes. `optimum` is `None` where the
    /// likelihood was not finite at any start, and `customers` the number of customers in the likelihood.
    pub fn of<const N: usize>(optimum: Option<Optimum<N>>, customers: u64) -> Fit<M> {
        let Some(optimum) = optimum else {
            return Fit::none(customers, "the likelihood of these data is not finite at any starting point");
        };
        let mut notes = vec![];
        let name = |i: usize| M::NAMES.get(i).copied().unwrap_or("a parameter");
        match optimum.termination {
            Termination::Optimum => {}
            Termination::RanOff { parameter, up } => {
                let (low, high) = M::LIMITS.get(parameter).copied().unwrap_or_default();
                let (whither, meaning) = if up { ("grows without bound", high) } else { ("falls to 0", low) };
                notes.push(format!("not converged: {} {whither}: {meaning}", name(parameter)));
            }
            Termination::Ridge | Termination::Unfinished => {
                let flat = optimum.flattest.map(f64::abs);
                let most = flat.iter().fold(0.0f64, |m, x| m.max(*x));
                let those: Vec<_> = (0..N).filter(|i| flat[*i] > 0.3 * most).map(name).collect();
                notes.push(format!("not converged: these data do not determine {}", those.join(" and ")));
            }
        }
        let model = (optimum.termination == Termination::Optimum).then(|| M::of(&optimum.parameters)).flatten();
        let converged = model.is_some() && optimum.covariance.is_some();
        if optimum.termination == Termination::Optimum && !converged {
            notes.push("not converged: the estimates are beyond what the model can be computed with".into());
        }
        let covariance = optimum.covariance.filter(|_| converged);
        let parameters = (0..N).map(|i| {
            let (estimate, deviation) = (optimum.parameters[i], covariance.map(|c| libm::sqrt(c[i][i])));
            let known = deviation.filter(|d| *d < UNDETERMINED);
            if deviation.is_some() && known.is_none() {
                notes.push(format!("these data hardly determine {}", name(i)));
            }
            Parameter {
                name: name(i).into(),
                estimate,
                std_error: known.map(|d| estimate * d),
                low: known.map(|d| estimate * libm::exp(-Z95 * d)),
                high: known.map(|d| estimate * libm::exp(Z95 * d)),
            }
        });
        Fit {
            parameters: parameters.collect(),
            model: model.filter(|_| converged),
            log_likelihood: Some(optimum.log_likelihood),
            gradient_norm: Some(optimum.gradient_norm),
            customers,
            converged,
            covariance: covariance.iter().flatten().flatten().copied().collect(),
            notes,
        }
    }

    /// The standard error of ln value(model), by the delta method: √(∇ᵀ Σ ∇), where ∇ is the gradient of ln value with
    /// respect to the log-parameters (by central differences) and Σ their covariance. Multiplied by the value it is the
    /// standard error of the value itself.
    ///
    /// Returns `None` unless the fit converged and the value is positive and finite around the estimates.
    pub fn ln_std_error(&self, value: impl Fn(&M) -> f64) -> Option<f64> {
        const STEP: f64 = 1e-4;
        let n = self.parameters.len();
        if self.model.is_none() || self.covariance.len() != n * n {
            return None;
        }
        let at = |i: usize, step: f64| {
            let moved: Vec<f64> =
                (0..n).map(|j| self.parameters[j].estimate * if i == j { libm::exp(step) } else { 1.0 }).collect();
            let v = value(&M::of(&moved)?);
            (v > 0.0 && v.is_finite()).then(|| libm::log(v))
        };
        let mut gradient = vec![];
        for i in 0..n {
            gradient.push((at(i, STEP)? - at(i, -STEP)?) / (2.0 * STEP));
        }
        let variance: f64 = (0..n * n).map(|k| gradient[k / n] * self.covariance[k] * gradient[k % n]).sum();
        Some(libm::sqrt(variance)).filter(|s| s.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::optimizer::{Objective, maximise};

    /// Two Poisson rates: λ and μ.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    struct TwoRates(f64, f64);

    impl Parametric for TwoRates {
        const NAMES: &'static [&'static str] = &["lambda", "mu"];
        const LIMITS: &'static [(&'static str, &'static str)] =
            &[("nothing happens", "all at once"), ("nobody leaves", "all leave")];

        fn of(p: &[f64]) -> Option<TwoRates> {
            Some(TwoRates(*p.first()?, *p.get(1)?))
        }
    }

    fn poisson(counts: [f64; 2], time: f64) -> impl Fn(&[f64; 2]) -> Option<Objective<2>> {
        move |t| {
            let mut s = Objective::ZERO;
            for i in 0..2 {
                s.value += counts[i] * libm::log(t[i]) - t[i] * time;
                s.gradient[i] = counts[i] / t[i] - time;
                s.hessian[i][i] = -counts[i] / (t[i] * t[i]);
            }
            Some(s)
        }
    }

    #[test]
    fn rates_with_their_errors() {
        let fit: Fit<TwoRates> = Fit::of(maximise(&[[1.0, 1.0]], 500.0, poisson([400.0, 100.0], 50.0)), 500);
        assert!(fit.converged && fit.notes.is_empty());
        let model = fit.model.unwrap();
        assert!((model.0 - 8.0).abs() < 1e-9 && (model.1 - 2.0).abs() < 1e-9);
        // The variance of ln λ̂ is 1/count: 1/20 and 1/10.
        let lambda = &fit.parameters[0];
        assert!((lambda.std_error.unwrap() - 0.4).abs() < 1e-9);
        assert!((lambda.low.unwrap() - 8.0 * libm::exp(-Z95 / 20.0)).abs() < 1e-9);
        assert!((lambda.high.unwrap() - 8.0 * libm::exp(Z95 / 20.0)).abs() < 1e-9);
        // ln(λ²/μ) has variance 4/400 + 1/100.
        let error = fit.ln_std_error(|m| m.0 * m.0 / m.1).unwrap();
        assert!((error - libm::sqrt(0.02)).abs() < 1e-8, "{error}");
        assert_eq!(fit.ln_std_error(|m| m.0 - 8.0), None);
    }

    #[test]
    fn no_events_no_rate() {
        let fit: Fit<TwoRates> = Fit::of(maximise(&[[1.0, 1.0]], 500.0, poisson([400.0, 0.0], 50.0)), 500);
        assert!(!fit.converged && fit.model.is_none() && fit.covariance.is_empty());
        assert_eq!(fit.notes, ["not converged: mu falls to 0: nobody leaves"]);
        assert!(fit.parameters.iter().all(|p| p.estimate.is_finite() && p.std_error.is_none()));
        assert_eq!(fit.ln_std_error(|m| m.0), None);
        let fit: Fit<TwoRates> = Fit::of(maximise(&[[1.0, 1.0]], 500.0, |_: &[f64; 2]| None), 500);
        assert!(!fit.converged && fit.parameters.is_empty() && fit.notes.len() == 1);
    }
}
