//! Small symmetric matrices: what a maximum-likelihood fit of a few parameters needs of linear algebra.

/// Rows of numbers.
pub type Matrix<const N: usize> = [[f64; N]; N];

/// A symmetric matrix as Σ λᵢ vᵢvᵢᵀ.
#[derive(Clone, Debug)]
pub struct Eigen<const N: usize> {
    /// Rising.
    pub values: [f64; N],
    /// `vectors[i]` belongs to `values[i]`: of length one, its largest component positive.
    pub vectors: Matrix<N>,
}

impl<const N: usize> Eigen<N> {
    /// By Jacobi's rotations (Golub & Van Loan, Matrix Computations, 8.5): slow for large matrices, but of high relative
    /// accuracy for small ones. `None` unless every entry is finite. Reads the upper triangle.
    pub fn of(matrix: &Matrix<N>) -> Option<Eigen<N>> {
        if matrix.iter().flatten().any(|x| !x.is_finite()) {
            return None;
        }
        let mut a = *matrix;
        for (i, j) in pairs::<N>() {
            a[j][i] = a[i][j];
        }
        let mut v: Matrix<N> = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
        // Convergence is quadratic: a handful of sweeps does, and forty are never reached.
        for _ in 0..40 {
            let mut rotated = false;
            for (p, q) in pairs::<N>() {
                if a[p][q].abs() <= f64::EPSILON * 0.01 * libm::sqrt(a[p][p].abs()) * libm::sqrt(a[q][q].abs())
                    || a[p][q].abs() < f64::MIN_POSITIVE
                {
                    continue;
                }
                rotated = true;
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + libm::hypot(theta, 1.0));
                let c = 1.0 / libm::hypot(t, 1.0);
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (up, uq) = (a[p], a[q]);
                a[p] = std::array::from_fn(|k| c * up[k] - s * uq[k]);
                a[q] = std::array::from_fn(|k| s * up[k] + c * uq[k]);
                (a[p][q], a[q][p]) = (0.0, 0.0);
                for row in &mut v {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            }
            if !rotated {
                break;
            }
        }
        let mut order: [usize; N] = std::array::from_fn(|i| i);
        order.sort_by(|i, j| a[*i][*i].total_cmp(&a[*j][*j]));
        let vectors = order.map(|i| {
            let vector: [f64; N] = std::array::from_fn(|k| v[k][i]);
            let largest = vector.iter().fold(0.0f64, |m, x| if x.abs() > m.abs() { *x } else { m });
            vector.map(|x| x * largest.signum())
        });
        Some(Eigen { values: order.map(|i| a[i][i]), vectors })
    }

    /// The inverse, if every eigenvalue is positive.
    pub fn inverse(&self) -> Option<Matrix<N>> {
        (self.values[0] > 0.0).then(|| {
            std::array::from_fn(|i| {
                std::array::from_fn(|j| (0..N).map(|k| self.vectors[k][i] * self.vectors[k][j] / self.values[k]).sum())
            })
        })
    }
}

/// Indices above the diagonal.
fn pairs<const N: usize>() -> impl Iterator<Item = (usize, usize)> {
    (0..N).flat_map(|i| (i + 1..N).map(move |j| (i, j)))
}

/// Σ aᵢbᵢ.
pub fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// √Σ aᵢ².
pub fn length<const N: usize>(a: &[f64; N]) -> f64 {
    libm::sqrt(dot(a, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: &Matrix<3>, b: &Matrix<3>) -> Matrix<3> {
        a.map(|row| std::array::from_fn(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
    }

    fn same(a: &Matrix<3>, b: &Matrix<3>) -> bool {
        a.iter().flatten().zip(b.iter().flatten()).all(|(x, y)| (x - y).abs() < 1e-14)
    }

    #[test]
    fn a_matrix_is_the_sum_of_its_parts() {
        const ONE: Matrix<3> = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let m = [[4.0, 1.0, -2.0], [1.0, 2.0, 0.0], [-2.0, 0.0, 3.0]];
        let e = Eigen::of(&m).unwrap();
        assert!(e.values[0] < e.values[1] && e.values[1] < e.values[2]);
        let transposed: Matrix<3> = std::array::from_fn(|i| e.vectors.map(|v| v[i]));
        let scaled: Matrix<3> = std::array::from_fn(|i| e.vectors[i].map(|x| x * e.values[i]));
        assert!(same(&product(&transposed, &scaled), &m));
        assert!(same(&product(&e.vectors, &transposed), &ONE));
        assert!(same(&product(&m, &e.inverse().unwrap()), &ONE));
    }

    #[test]
    fn known_eigenvalues_and_none() {
        let e = Eigen::of(&[[1.0, 2.0], [2.0, 1.0]]).unwrap();
        assert!((e.values[0] + 1.0).abs() < 1e-15 && (e.values[1] - 3.0).abs() < 1e-15);
        assert!(e.inverse().is_none());
        assert!(Eigen::of(&[[1.0, f64::NAN], [0.0, 1.0]]).is_none());
        assert_eq!(Eigen::of(&[[0.0; 4]; 4]).unwrap().values, [0.0; 4]);
        // Graded: the small eigenvalue keeps its digits.
        let e = Eigen::of(&[[1e12, 1.0], [1.0, 1e-3]]).unwrap();
        assert!((e.values[0] / (1e-3 - 1e-12) - 1.0).abs() < 1e-12, "{}", e.values[0]);
    }
}
