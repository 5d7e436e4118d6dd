//! Applications: found by id or domain, never guessed; changed only in what the file says.

use std::collections::BTreeMap;

use postern_policy::ApplicationName;

use super::authorities::{EXISTS, recovered};
use super::found::{Found, find};
use super::{Action, AppField, AppTarget, Class, Planner};
use crate::access::App;
use crate::desired::{AppReference, DesiredApplication, Manager};
use crate::go_duration;
use crate::ledger::ObjectKind;
use crate::limits::DOMAINS_PER_APPLICATION;

/// Where each application of the file is; none for one that a conflict keeps from being found.
pub(super) type Apps = BTreeMap<ApplicationName, AppTarget>;

impl Planner<'_> {
    pub(super) fn apps(&mut self) -> Apps {
        let mut apps = Apps::new();
        for application in &self.desired.applications {
            let Some(target) = self.app(application) else {
                continue;
            };
            if let Some(other) = taken(&apps, &target) {
                let why = format!(
                    "application {other} of the file is the same one at Access: the policies of each would admit to both"
                );
                let remedy = "give each an application of its own there: name them by `app`";
                self.conflict(format!("app {}", application.name), &why, remedy);
                continue;
            }
            apps.insert(application.name.clone(), target);
        }
        apps
    }

    fn app(&mut self, application: &DesiredApplication) -> Option<AppTarget> {
        let target = format!("app {}", application.name);
        let remote = self.remote;
        match &application.reference {
            AppReference::Id(id) => {
                let app = remote.apps.iter().find(|app| app.id() == id);
                if app.is_none() {
                    self.conflict(target, &format!("there is no application {id}"), SEE_LIST);
                }
                self.known(application, app?)
            }
            AppReference::Domain(domain) => {
                let key = application.name.as_str();
                let matching = remote.apps_for(domain);
                let found: Vec<&App> = matching.collect();
                let name = application.name.as_str();
                match find(
                    self.ledger,
                    (ObjectKind::App, key),
                    name,
                    remote.apps.iter(),
                ) {
                    Found::Ours(app) if app.answers_for(domain) => self.known(application, app),
                    Found::Ours(app) => {
                        let there = app.domains().join(", ");
                        let why = format!(
                            "the application that is ours answers for {there}, and the file names {domain}"
                        );
                        let remedy = "change its domain at Access, or give the application of the file another name";
                        self.conflict(target, &why, remedy);
                        None
                    }
                    Found::Recovered(app) if found.iter().any(|other| other.id() == app.id()) => {
                        let owned = recovered(self.ledger.find(ObjectKind::App, key), app);
                        self.change(target, Class::Bookkeeping, Action::Recover(owned));
                        self.known(application, app)
                    }
                    Found::Recovered(_) | Found::Foreign(_) | Found::Absent => {
                        self.by_domain(application, domain, &found)
                    }
                }
            }
        }
    }

    fn by_domain(
        &mut self,
        application: &DesiredApplication,
        domain: &str,
        found: &[&App],
    ) -> Option<AppTarget> {
        let target = format!("app {}", application.name);
        match found {
            [] => self.missing(application, domain),
            [app] => self.known(application, app),
            several => {
                let ids: Vec<&str> = several.iter().map(|app| app.id()).collect();
                let why = format!("{} applications answer for {domain}", several.len());
                self.conflict(
                    target,
                    &why,
                    format!("write the id as `app`: one of {}", ids.join(", ")),
                );
                None
            }
        }
    }

    fn missing(&mut self, application: &DesiredApplication, domain: &str) -> Option<AppTarget> {
        let target = format!("app {}", application.name);
        if let Manager::Other(manager) = &application.manager {
            let why = format!("{manager} manages it, and there is no application for {domain}");
            self.plan.remarks.push(format!("{target}: {why}"));
            return None;
        }
        self.plan.remarks.push(format!(
            "{target}: none of the {} applications that this API token sees answers for {domain}; if yours is hidden from it, write its id as `app`",
            self.remote.apps.len()
        ));
        let key = application.name.to_string();
        let action = Action::CreateApp {
            key: key.clone(),
            domain: domain.to_owned(),
            more: more(application, domain),
            fields: fields(application),
        };
        self.change(target, Class::Ordinary, action);
        Some(AppTarget::Made(key))
    }

    fn known(&mut self, application: &DesiredApplication, app: &App) -> Option<AppTarget> {
        if let (Some(expected), Some(aud)) = (&application.aud, app.aud())
            && expected != aud
        {
            self.plan.remarks.push(format!(
                "app {}: its audience tag is {aud}, and the file says {expected}: the gateway would refuse every request",
                application.name
            ));
        }
        if application.aud.is_none()
            && let Some(aud) = app.aud()
        {
            self.plan.remarks.push(format!(
                "app {}: a gateway behind Cloudflare needs `aud = \"{aud}\"` in its [application.cloudflare]",
                application.name
            ));
        }
        let uncovered = application.domains.iter().filter(|it| !covers(app, it));
        let uncovered: Vec<&str> = uncovered.map(String::as_str).collect();
        if !uncovered.is_empty() {
            self.plan.remarks.push(format!(
                "app {}: the application at Access does not answer for {}: nothing is enforced there",
                application.name,
                uncovered.join(", ")
            ));
        }
        for field in fields(application) {
            let is_same = match &field {
                AppField::SessionDuration(text) => {
                    let there = app.session_duration().unwrap_or_default();
                    go_duration::is_same(there, text)
                }
                AppField::SkipInterstitial(skip) => {
                    app.skip_interstitial().unwrap_or_default() == *skip
                }
                AppField::TokenHeader(name) => {
                    let there = app.token_header().unwrap_or_default();
                    there.eq_ignore_ascii_case(name)
                }
            };
            if !is_same {
                let action = Action::SetAppField {
                    app: app.id().to_owned(),
                    field,
                };
                self.change_in(application, "", Class::Ordinary, action);
            }
        }
        Some(AppTarget::Known(app.id().to_owned()))
    }

    /// A change in an application; only told where another tool manages it.
    pub(super) fn change_in(
        &mut self,
        application: &DesiredApplication,
        part: &str,
        class: Class,
        action: Action,
    ) {
        let target = format!("app {}{part}", application.name);
        match &application.manager {
            Manager::Postern => self.change(target, class, action),
            Manager::Other(_) => self.plan.reported.push(super::Change {
                target,
                class,
                action,
            }),
        }
    }

    pub(super) fn exists(
        &mut self,
        application: &DesiredApplication,
        kind: &str,
        name: &str,
        id: &str,
    ) {
        let target = format!("app {} / {kind} {name:?}", application.name);
        self.conflict(
            target,
            EXISTS,
            format!("`postern cloudflare adopt {kind} {id}`, or rename one of them"),
        );
    }
}

/// The application of the file that is the same one at Access.
fn taken<'a>(apps: &'a Apps, target: &AppTarget) -> Option<&'a ApplicationName> {
    let mut same = apps.iter().filter(|(_, other)| *other == target);
    same.next().map(|(name, _)| name)
}

/// Whether an application answers for a host and path, by itself or by a shorter path.
fn covers(app: &App, domain: &str) -> bool {
    app.domains().iter().any(|there| {
        let there = there.trim_end_matches('/').to_ascii_lowercase();
        let rest = domain.to_ascii_lowercase();
        rest.strip_prefix(&there)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The other hosts and paths of an application to be made, as many as Access takes.
fn more(application: &DesiredApplication, domain: &str) -> Vec<String> {
    let others = application.domains.iter().filter(|it| *it != domain);
    others.take(DOMAINS_PER_APPLICATION - 1).cloned().collect()
}

fn fields(application: &DesiredApplication) -> Vec<AppField> {
    let session = application
        .session_duration
        .clone()
        .map(AppField::SessionDuration);
    let skip = application
        .skip_interstitial
        .map(AppField::SkipInterstitial);
    let header = application.token_header.clone().map(AppField::TokenHeader);
    session.into_iter().chain(skip).chain(header).collect()
}

const SEE_LIST: &str = "look it up in the dashboard, or name the application by its domain; the API token may not see it";
