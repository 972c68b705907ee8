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
}

/// # Errors
/// [`SharingError::PolicyForbids`] names the field and the bound.
pub(super) fn judge(
    policy: &Policy,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<(), SharingError> {
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

/// Random policies, links and viewers. The names of people and groups are few, so that they meet.
#[cfg(test)]
mod properties {
    use chrono::Duration;
    use proptest::{collection::vec, option, prelude::*, sample::subsequence};

    use super::*;
    use crate::{
        model::{Groups, Identity, LinkState, Mode, UserId, limited_fields},
        sharing::may_view,
    };

    const NAMES: [&str; 4] = ["alice", "bob", "carol", "user:bob"];
    const GROUPS: [&str; 4] = ["finance", "alice", "group:finance", "ünï"];
    /// Random times lie in these seconds, as the ends that they are compared with.
    const SECONDS: i64 = 1000;

    fn moment() -> impl Strategy<Value = DateTime<Utc>> {
        (0..SECONDS * 1_000_000)
            .prop_map(|micros| DateTime::UNIX_EPOCH + Duration::microseconds(micros))
    }

    fn policy() -> impl Strategy<Value = Policy> {
        use WidestAudience::{Anyone, Named, Owner, SignedIn};
        let widest = prop_oneof![Just(Anyone), Just(SignedIn), Just(Named), Just(Owner)];
        let seconds = prop_oneof![3 => 60..SECONDS as u64, 1 => 60..=3_155_760_000_u64];
        (widest, option::of(seconds), any::<bool>()).prop_map(
            |(widest_audience, max_lifetime_seconds, allows_artifacts)| Policy {
                widest_audience,
                max_lifetime_seconds,
                allows_artifacts,
            },
        )
    }

    fn audience() -> impl Strategy<Value = Audience> {
        let user = prop::sample::select(&NAMES[..]).prop_map(|name| format!("user:{name}"));
        let group = prop::sample::select(&GROUPS[..]).prop_map(|name| format!("group:{name}"));
        let any = "(user|group):[^\\p{Cc}]{1,12}";
        let principal = prop_oneof![4 => user, 4 => group, 1 => any];
        vec(principal, 0..5).prop_map(|list| Audience::new(list).unwrap())
    }

    fn link() -> impl Strategy<Value = LinkState> {
        let settings = (any::<bool>(), option::of(audience()), any::<bool>(), any::<bool>());
        (settings, moment(), option::of(moment()), 1..1000_i64).prop_map(
            |((is_private, audience, is_live, files), updated_at, expires_at, revision)| {
                LinkState {
                    visibility: Visibility::of(is_private),
                    audience,
                    mode: if is_live { Mode::Live } else { Mode::Frozen },
                    includes_artifacts: files,
                    updated_at,
                    expires_at,
                    revision,
                    policy: 0,
                }
            },
        )
    }

    fn user() -> impl Strategy<Value = UserId> {
        prop::sample::select(&NAMES[..]).prop_map(|name| UserId::parse(name).unwrap())
    }

    fn viewer() -> impl Strategy<Value = Identity> {
        let groups = subsequence(&GROUPS[..], 0..=GROUPS.len());
        (user(), groups, any::<bool>(), any::<bool>()).prop_map(
            |(user_id, groups, is_chat_service, is_admin)| Identity {
                user_id,
                display_name: None,
                is_chat_service,
                is_admin,
                groups: Groups::of(&groups.into_iter().map(str::to_owned).collect::<Vec<_>>()),
                expires_at: DateTime::UNIX_EPOCH,
            },
        )
    }

    /// What a viewer has of the link at a moment: nothing, or whether files are among it.
    fn shown(
        link: &LinkState,
        owner: Option<&UserId>,
        viewer: Option<&Identity>,
        now: DateTime<Utc>,
    ) -> Option<bool> {
        let is_admitted = may_view(link.visibility, link.audience.as_ref(), owner, viewer).is_ok();
        (is_admitted && !link.is_expired(now)).then_some(link.includes_artifacts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// A legacy link has no owner.
        #[test]
        fn narrowing_admits_no_one_and_shows_no_more(
            policy in policy(),
            link in link(),
            owner in option::of(user()),
            viewer in option::of(viewer()),
            now in moment(),
        ) {
            let shown = |link| shown(link, owner.as_ref(), viewer.as_ref(), now);
            let seen = policy.narrow(link.clone());
            prop_assert!(shown(&seen) <= shown(&link), "{seen:?}");
            prop_assert!(!seen.is_wider_than(&link));
            let widest = WidestAudience::of(seen.visibility, seen.audience.as_ref());
            prop_assert!(widest <= policy.widest_audience, "{seen:?}");
            prop_assert!(policy.allows_artifacts || !seen.includes_artifacts);
            if let Some(latest) = policy.latest_end(link.updated_at) {
                prop_assert!(seen.is_expired(latest));
            }
            prop_assert_eq!(policy.narrow(seen.clone()), seen.clone());
            prop_assert_eq!(limited_fields(&link, &policy).is_empty(), seen == link);
        }

        #[test]
        fn a_stricter_policy_shows_no_more(
            policy in policy(),
            other in policy(),
            link in link(),
            owner in option::of(user()),
            viewer in option::of(viewer()),
            now in moment(),
        ) {
            let lifetimes = [policy.max_lifetime_seconds, other.max_lifetime_seconds];
            let stricter = Policy {
                widest_audience: policy.widest_audience.min(other.widest_audience),
                max_lifetime_seconds: lifetimes.into_iter().flatten().min(),
                allows_artifacts: policy.allows_artifacts && other.allows_artifacts,
            };
            let shown = |policy: &Policy| {
                shown(&policy.narrow(link.clone()), owner.as_ref(), viewer.as_ref(), now)
            };
            prop_assert!(shown(&stricter) <= shown(&policy));
        }

        /// What was refused would have been narrowed; what was not is shown as it was asked for.
        #[test]
        fn what_the_policy_does_not_refuse_it_does_not_narrow(policy in policy(), link in link()) {
            let asked = Asked {
                visibility: Some(link.visibility),
                audience: Some(link.audience.as_ref()),
                includes_artifacts: Some(link.includes_artifacts),
                expires_at: Some(link.expires_at),
            };
            let is_allowed = judge(&policy, &asked, link.updated_at).is_ok();
            prop_assert_eq!(is_allowed, policy.narrow(link.clone()) == link);
        }
    }
}
