//! The policy of the instance (docs/API.md 4, "Policy"): who sets it, and what it forbids. What it
//! narrows is `model::Policy`; the store applies that to each read of a view.

use chrono::{DateTime, Utc};

use super::{Precondition, Sharing, SharingError, detached::run_detached};
use crate::{
    model::{
        Action, Audience, AuditRecord, Caller, ClientInfo, Policy, StoredPolicy, Visibility,
        WidestAudience,
    },
    store::Notice,
};

/// What a create or a change asks for. `None` is not asked for, and is not judged.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub visibility: Option<Visibility>,
    pub audience: Option<Option<&'a Audience>>,
    pub includes_artifacts: Option<bool>,
    pub expires_at: Option<Option<DateTime<Utc>>>,
}

impl Sharing {
    /// The policy now.
    pub async fn policy(&self) -> Result<StoredPolicy, SharingError> {
        Ok(self.store.policy().await?)
    }

    /// Sets the policy. Returns its revision. Views of every instance go by it from now on; streams
    /// and downloads of viewers who are not admitted any more end within a second.
    ///
    /// # Errors
    /// [`SharingError::Invalid`], `PreconditionFailed`.
    pub async fn set_policy(
        &self,
        caller: &Caller,
        policy: Policy,
        precondition: Precondition,
        origin: ClientInfo,
    ) -> Result<i64, SharingError> {
        let invalid = |problem| SharingError::invalid("max_lifetime_seconds", problem);
        policy.check().map_err(invalid)?;
        let (this, caller) = (self.clone(), caller.clone());
        run_detached(async move {
            let record =
                AuditRecord::of(Action::Policy, (&caller).into(), origin, this.clock.now());
            let (by, revisions) = (caller.user_id(), precondition.revisions());
            let set = this.store.set_policy(policy, by, revisions, record).await?;
            let revision = set.ok_or(SharingError::PreconditionFailed)?;
            this.notify(&Notice::Everything);
            Ok(revision)
        })
        .await
    }

    /// # Errors
    /// [`SharingError::PolicyForbids`] names the field and the bound.
    pub(super) async fn check_policy(&self, asked: Asked<'_>) -> Result<(), SharingError> {
        let StoredPolicy { policy, .. } = self.store.policy().await?;
        judge(&policy, &asked, self.clock.now())
    }
}

fn judge(policy: &Policy, asked: &Asked<'_>, now: DateTime<Utc>) -> Result<(), SharingError> {
    let forbidden = |field, bound: String| Err(SharingError::PolicyForbids { field, bound });
    let widest = policy.widest_audience;
    let bound = || format!("links may admit {} at most", widest.name());
    if asked.visibility == Some(Visibility::Public) && widest < WidestAudience::Anyone {
        return forbidden("is_private", bound());
    }
    if let Some(audience) = asked.audience
        && asked.visibility != Some(Visibility::Public)
        && WidestAudience::of(Visibility::Private, audience) > widest
    {
        return forbidden("audience", bound());
    }
    if asked.includes_artifacts == Some(true) && !policy.allows_artifacts {
        return forbidden("includes_artifacts", "links may not show files".to_owned());
    }
    if let (Some(end), Some(latest)) = (asked.expires_at, policy.latest_end(now))
        && end.is_none_or(|end| end > latest)
    {
        return forbidden("expires_at", format!("it may be {} at the latest", latest.to_rfc3339()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn refused(policy: &Policy, asked: &Asked<'_>) -> Option<&'static str> {
        match judge(policy, asked, DateTime::UNIX_EPOCH) {
            Err(SharingError::PolicyForbids { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn what_is_wider_than_the_policy_is_refused() {
        use WidestAudience::{Anyone, Named, Owner, SignedIn};
        let named = Audience::new(vec!["user:bob".to_owned()]).unwrap();
        let empty = Audience::default();
        let public = Asked { visibility: Some(Visibility::Public), ..Asked::default() };
        let private = |audience| Asked {
            visibility: Some(Visibility::Private),
            audience: Some(audience),
            ..Asked::default()
        };
        for (widest_audience, expected) in [
            (Anyone, [None, None, None, None]),
            (SignedIn, [Some("is_private"), None, None, None]),
            (Named, [Some("is_private"), Some("audience"), None, None]),
            (Owner, [Some("is_private"), Some("audience"), Some("audience"), None]),
        ] {
            let policy = Policy { widest_audience, ..Policy::default() };
            let asked = [&public, &private(None), &private(Some(&named)), &private(Some(&empty))];
            assert_eq!(asked.map(|asked| refused(&policy, asked)), expected, "{widest_audience:?}");
            assert_eq!(refused(&policy, &Asked::default()), None, "what is not asked for");
        }
    }

    #[test]
    fn files_and_later_ends_are_refused() {
        let policy =
            Policy { max_lifetime_seconds: Some(60), allows_artifacts: false, ..Policy::default() };
        let files = |on| Asked { includes_artifacts: Some(on), ..Asked::default() };
        assert_eq!(refused(&policy, &files(true)), Some("includes_artifacts"));
        assert_eq!(refused(&policy, &files(false)), None);
        let end = |seconds: i64| Asked {
            expires_at: Some(Some(DateTime::UNIX_EPOCH + Duration::seconds(seconds))),
            ..Asked::default()
        };
        assert_eq!(refused(&policy, &end(60)), None);
        assert_eq!(refused(&policy, &end(61)), Some("expires_at"));
        let never = Asked { expires_at: Some(None), ..Asked::default() };
        assert_eq!(refused(&policy, &never), Some("expires_at"));
    }
}
