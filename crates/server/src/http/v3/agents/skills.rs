//! Agents' skills (contract v3 §14): an archive in, a revision out.

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use session::id::Noun;
use store::{AgentChange, AgentRow, Bundle, SkillRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::object::RevisionObject;
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::body;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::At;
use crate::skills;

/// What the mode of a plain file has besides its permissions.
const PLAIN: u32 = 0o100_000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(get, put, delete))
}

/// The skills of an agent's active revision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentSkills)]
pub struct SkillsObject {
    /// The active revision.
    revision: RevisionObject,
    /// Names the files; null without skills.
    skill_bundle_digest: Option<String>,
    /// The skills, by name.
    skills: Vec<SkillObject>,
}

/// A skill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Skill)]
pub struct SkillObject {
    /// The name of its folder.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Its files, by path.
    files: Vec<SkillFileObject>,
}

/// A file of a skill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkillFile)]
pub struct SkillFileObject {
    /// Its path, from its skill's folder on.
    path: String,
    /// Its kind and permissions, as a number: 33188 is a plain file of mode 0644.
    mode: u32,
    /// Its bytes.
    size: u64,
}

/// What became of a change of an agent's behaviour.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeployResult {
    /// Names the deployment that made the revision.
    deploy_id: String,
    /// `ready`.
    state: &'static str,
    /// `created`, or `deduped` if it is what was active already.
    result: &'static str,
    /// The active revision.
    revision: DeployedRevision,
}

/// The revision that a deployment made or found.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeployedRevision {
    /// The revision.
    #[serde(flatten)]
    revision: RevisionObject,
    /// Whether new sessions get it.
    active: bool,
}

impl From<AgentRow> for SkillsObject {
    fn from(row: AgentRow) -> Self {
        let revision = RevisionObject::new(&row.active);
        let (digest, rows) = match row.active.skills {
            Some(Bundle { digest, skills }) => (Some(digest), skills),
            None => (None, Vec::new()),
        };
        Self {
            revision,
            skill_bundle_digest: digest,
            skills: rows.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SkillRow> for SkillObject {
    fn from(row: SkillRow) -> Self {
        let file = |file: store::SkillFile| SkillFileObject {
            path: file.path,
            mode: PLAIN | file.mode,
            size: file.size,
        };
        Self {
            name: row.name,
            description: row.description,
            files: row.files.into_iter().map(file).collect(),
        }
    }
}

/// Read the skills of an agent's active revision
#[utoipa::path(get, path = "/v3/agents/{id}/skills", operation_id = "get_agent_skills", tag = "Agents",
    params(("id" = String, Path, description = "Agent")),
    responses((status = 200, description = "Its skills", body = SkillsObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<SkillsObject>, Problem> {
    let row = app.store.agent(&org, &id).await;
    Ok(Json(row.map_err(named("agent", &id))?.into()))
}

/// Give an agent the skills of a zip archive, in place of all it has
///
/// Each skill is a folder with a `SKILL.md`; a folder `skills` may be around all of
/// them. At most 64 files of UTF-8 text, 256 KiB together. Makes a revision and
/// activates it; prompt and model stay.
#[utoipa::path(put, path = "/v3/agents/{id}/skills", operation_id = "put_agent_skills", tag = "Agents",
    params(("id" = String, Path, description = "Agent")),
    request_body(content = Vec<u8>, content_type = "application/zip", description = "The archive"),
    responses((status = 200, description = "Active from now on", body = DeployResult),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn put(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    request: Request,
) -> Result<Json<DeployResult>, Problem> {
    let archive = body::read(request).await?;
    // A stranger's agent is not found before anything is unpacked or kept.
    app.store
        .agent(&org, &id)
        .await
        .map_err(named("agent", &id))?;
    let unpacking = move || skills::unzip(&archive).and_then(skills::Bundle::new);
    let bundle = tokio::task::spawn_blocking(unpacking)
        .await
        .map_err(|_| Problem::new(Code::Internal, "the archive could not be read"))?
        .map_err(|unfit| Problem::new(Code::Invalid, unfit.to_string()))?;
    let digest = app.store.skills_put(&org, bundle.bytes()).await?;
    let skills = bundle.skills;
    deploy(&app, &org, &id, Some(Bundle { digest, skills })).await
}

/// Take an agent's skills away
#[utoipa::path(delete, path = "/v3/agents/{id}/skills", operation_id = "delete_agent_skills", tag = "Agents",
    params(("id" = String, Path, description = "Agent")),
    responses((status = 200, description = "Without skills from now on", body = DeployResult),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<DeployResult>, Problem> {
    deploy(&app, &org, &id, None).await
}

async fn deploy(
    app: &App,
    org: &str,
    id: &str,
    skills: Option<Bundle>,
) -> Result<Json<DeployResult>, Problem> {
    let fresh = clock::fresh(Noun::Revision);
    let change = AgentChange {
        revision: fresh.clone(),
        skills: Some(skills),
        at: clock::now(),
        ..AgentChange::default()
    };
    let row = app.store.change_agent(org, id, change).await;
    let active = row.map_err(named("agent", id))?.active;
    Ok(Json(DeployResult {
        deploy_id: active.id.replacen(Noun::Revision.prefix(), "dep", 1),
        state: "ready",
        result: if active.id == fresh {
            "created"
        } else {
            "deduped"
        },
        revision: DeployedRevision {
            revision: RevisionObject::new(&active),
            active: true,
        },
    }))
}
