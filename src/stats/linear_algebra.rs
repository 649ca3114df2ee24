//! Linear algebra of symmetric matrices: eigenvalues of small ones, Cholesky's decomposition of larger ones.

/// A square matrix by rows.
pub type Matrix<const N: usize> = [[f64; N]; N];

/// The eigendecomposition Σ λᵢ vᵢvᵢᵀ of a symmetric matrix.
#[derive(Clone, Debug)]
pub struct Eigen<const N: usize> {
    /// λᵢ, ascending.
    pub values: [f64; N],
    /// `vectors[i]` belongs to `values[i]`: of length one, its largest component positive.
    pub vectors: Matrix<N>,
}

impl<const N: usize> Eigen<N> {
    /// Decomposes a symmetric matrix, of which the upper triangle is read, by Jacobi's rotations (Golub & Van Loan, Matrix
    /// Computations, 8.5). They are slow for large matrices, and have a high relative accuracy for small ones.
    ///
    /// Returns `None` if an entry is not finite.
    pub fn of(matrix: &Matrix<N>) -> Option<Eigen<N>> {
        if matrix.iter().flatten().any(|x| !x.is_finite()) {
            return None;
        }
        let mut a = *matrix;
        for (i, j) in pairs::<N>() {
            a[j][i] = a[i][j];
        }
        let mut v: Matrix<N> = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
        // Convergence is quadratic: a handful of sweeps is enough, forty are never reached.
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

    /// The inverse of the matrix; `None` unless every eigenvalue is positive.
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

/// Σ aᵢbᵢ of two slices of one length, from left to right.
fn dot_in_order(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Solves A·x = b for a symmetric positive definite A by Cholesky's decomposition.
///
/// # Parameters
/// - `lower`: the lower triangle of A by rows; row i has at least i + 1 numbers, further ones are ignored.
/// - `right`: b.
///
/// # Returns
/// x; `None` if A is not positive definite or not finite.
pub fn solve_positive_definite(lower: Vec<Vec<f64>>, right: &[f64]) -> Option<Vec<f64>> {
    let pivot = |_: f64, left: f64| (left > 0.0 && left.is_finite()).then(|| libm::sqrt(left));
    cholesky(lower, right.to_vec(), dot_in_order, pivot)
}

/// Solves normal equations, which may be rank deficient: an unknown that the ones before it determine gets 0.
///
/// # Parameters
/// - `lower`: the lower triangle of the matrix by rows.
/// - `right`: the right-hand side.
/// - `dot`: the sum of products of two slices of one length. The caller chooses the order of summation, which decides the
///   last digits and how fast the sums are.
pub fn solve_normal_equations(lower: Vec<Vec<f64>>, right: Vec<f64>, dot: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
    let unknowns = right.len();
    let pivot = |own: f64, left: f64| Some(if left > 1e-11 * own { libm::sqrt(left) } else { 0.0 });
    cholesky(lower, right, dot, pivot).unwrap_or_else(|| vec![0.0; unknowns])
}

/// Cholesky's decomposition A = L·Lᵀ, row by row, with forward and backward substitution.
///
/// `pivot(a, left)` turns what is left of the diagonal element a into the diagonal element of L: 0 drops the unknown,
/// `None` gives up.
fn cholesky(
    mut lower: Vec<Vec<f64>>,
    mut x: Vec<f64>,
    dot: impl Fn(&[f64], &[f64]) -> f64,
    pivot: impl Fn(f64, f64) -> Option<f64>,
) -> Option<Vec<f64>> {
    let unknowns = x.len();
    for i in 0..unknowns {
        let own = lower[i][i];
        let (above, rest) = lower.split_at_mut(i);
        let row = &mut rest[0];
        for (j, column) in above.iter().enumerate() {
            let known = dot(&row[..j], &column[..j]);
            row[j] = if column[j] > 0.0 { (row[j] - known) / column[j] } else { 0.0 };
        }
        row[i] = pivot(own, own - dot(&row[..i], &row[..i]))?;
        let known = dot(&row[..i], &x[..i]);
        x[i] = if row[i] > 0.0 { (x[i] - known) / row[i] } else { 0.0 };
    }
    for i in (0..unknowns).rev() {
        let known: f64 = (i + 1..unknowns).map(|k| lower[k][i] * x[k]).sum();
        x[i] = if lower[i][i] > 0.0 { (x[i] - known) / lower[i][i] } else { 0.0 };
    }
    Some(x)
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

    #[test]
    fn a_definite_system_is_solved_and_any_other_refused() {
        // 4x + 2y = 2 and 2x + 5y = 7: x = −1/4, y = 3/2. What stands above the diagonal is ignored.
        let x = solve_positive_definite(vec![vec![4.0, f64::NAN], vec![2.0, 5.0]], &[2.0, 7.0]).unwrap();
        assert!((x[0] + 0.25).abs() < 1e-15 && (x[1] - 1.5).abs() < 1e-15, "{x:?}");
        for lower in
            [vec![vec![1.0], vec![1.0, 1.0]], vec![vec![-1.0], vec![0.0, 1.0]], vec![vec![f64::NAN], vec![0.0, 1.0]]]
        {
            assert_eq!(solve_positive_definite(lower, &[1.0, 1.0]), None);
        }
    }

    #[test]
    fn an_unknown_that_others_determine_gets_zero() {
        // The third column is twice the first.
        let columns = [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0], [2.0, 2.0, 2.0, 2.0]];
        let y = [3.0, 5.0, 7.0, 9.0];
        let lower = (0..3).map(|i| (0..=i).map(|j| dot(&columns[i], &columns[j])).collect()).collect();
        let x = solve_normal_equations(lower, columns.iter().map(|c| dot(c, &y)).collect(), dot_in_order);
        assert!((x[0] - 3.0).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12 && x[2] == 0.0, "{x:?}");
    }
}
