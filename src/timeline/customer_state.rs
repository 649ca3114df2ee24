//! What a customer did in one period.

/// What a customer did in a period, judged by whether they are live at its opening and closing (DEFINITIONS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerState {
    /// Live at the closing for the first time.
    New,
    /// Live at both.
    Retained,
    /// Live at the closing again.
    Returned,
    /// Live at the opening alone.
    Churned,
    /// Live within the period, at neither boundary.
    Intra,
    /// As `Intra`, of a new customer, under the policy that counts this as joining and leaving (`within_period =
    /// "both"`).
    IntraNew,
    /// As `IntraNew`, of a customer who returned.
    IntraReturned,
    /// Live at the opening of a partial last period under `1 period`, and not active in it yet: the period is not over.
    Undecided,
    /// Not live: the run has unallocated money alone.
    Idle,
}

impl CustomerState {
    /// As tables write it; `None` for states that they do not name.
    pub fn name(self) -> Option<&'static str> {
        match self {
            CustomerState::New => Some("new"),
            CustomerState::Retained => Some("retained"),
            CustomerState::Returned => Some("returned"),
            CustomerState::Churned => Some("churned"),
            CustomerState::Intra => Some("intra"),
            CustomerState::IntraNew => Some("intra_new"),
            CustomerState::IntraReturned => Some("intra_returned"),
            CustomerState::Undecided | CustomerState::Idle => None,
        }
    }

    /// Live at the opening.
    pub fn in_opening(self) -> bool {
        matches!(self, CustomerState::Retained | CustomerState::Churned | CustomerState::Undecided)
    }

    /// Counts as new: joined in the period, whether or not live at its end.
    pub fn is_of_a_new_customer(self) -> bool {
        matches!(self, CustomerState::New | CustomerState::IntraNew)
    }

    /// Counts as churned: left in the period.
    pub fn is_of_one_who_left(self) -> bool {
        matches!(self, CustomerState::Churned | CustomerState::IntraNew | CustomerState::IntraReturned)
    }

    /// Live at the closing.
    pub fn in_closing(self) -> bool {
        matches!(self, CustomerState::New | CustomerState::Retained | CustomerState::Returned)
    }
}
