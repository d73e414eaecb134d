//! Queries to the cloud, mutations and their outcomes.

use reeve_core::cloud::{CloudError, Mutation, Outcome, Query, TaskScope};
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::id::{InstanceId, PointerName, Region};
use reeve_core::instance::Instance;

use super::super::line::Line;

pub(super) fn query(line: &mut Line, query: &Query) {
    let mut begin = |what, region: &Region| {
        line.text("what", what);
        line.text("region", region.as_str());
    };
    match query {
        Query::Pointer { region, name } => {
            begin("pointer", region);
            line.text("pointer", name.as_str());
        }
        Query::Instance {
            region,
            compute: of,
            id,
        } => {
            begin("instance", region);
            compute(line, of);
            line.text("instance", id.as_str());
        }
        Query::Scan {
            region,
            compute: of,
            tag_key,
            tag_values,
            tasks,
        } => {
            begin("scan", region);
            compute(line, of);
            line.text("tag-key", tag_key);
            line.texts("tag-values", tag_values.iter().map(String::as_str));
            if **tasks != TaskScope::default() {
                line.texts("families", tasks.families.iter().map(String::as_str));
                line.flag("started-by-reeve", tasks.started_by_reeve);
                line.texts("ids", tasks.ids.iter().map(InstanceId::as_str));
            }
        }
        Query::Demand {
            region,
            period,
            since,
            until,
            metrics,
        } => {
            begin("demand", region);
            line.number("period", period.get());
            line.number("since", since.as_ms());
            line.number("until", until.as_ms());
            line.object("metrics", |line| {
                for (worker, metric) in metrics {
                    line.object(worker.as_str(), |line| {
                        line.text("namespace", &metric.namespace);
                        line.text("name", &metric.name);
                        line.text("statistic", metric.statistic.as_str());
                        line.map("dimensions", &metric.dimensions);
                        line.text("instance", metric.instance.as_str());
                    });
                }
            });
        }
        Query::TemplateVersion { region, template } => {
            begin("template-version", region);
            line.text("template", template);
        }
        Query::StatusChecks { region, ids } => {
            begin("status-checks", region);
            line.texts("instances", ids.iter().map(|id| id.as_str()));
        }
    }
}

pub(super) fn mutation(line: &mut Line, mutation: &Mutation) {
    line.text("what", &mutation.kind().to_string());
    match mutation {
        Mutation::Launch {
            region,
            source,
            token,
            tags,
        } => {
            line.text("region", region.as_str());
            launch_source(line, source);
            line.text("token", token.as_str());
            line.map("tags", tags);
        }
        Mutation::Start {
            region,
            compute: of,
            id,
        } => {
            line.text("region", region.as_str());
            compute(line, of);
            line.text("instance", id.as_str());
        }
        Mutation::Reboot { region, id } => {
            line.text("region", region.as_str());
            line.text("instance", id.as_str());
        }
        Mutation::Stop {
            region,
            compute: of,
            id,
            clear_pointer,
        }
        | Mutation::Terminate {
            region,
            compute: of,
            id,
            clear_pointer,
        } => {
            line.text("region", region.as_str());
            compute(line, of);
            line.text("instance", id.as_str());
            let pointer = clear_pointer.as_ref().map(PointerName::as_str);
            line.maybe_text("clear-pointer", pointer);
        }
        Mutation::WritePointer { region, name, id } => {
            line.text("region", region.as_str());
            line.text("pointer", name.as_str());
            line.text("instance", id.as_str());
        }
    }
}

fn compute(line: &mut Line, compute: &Compute) {
    match compute {
        Compute::Ec2 => line.text("compute", "ec2"),
        Compute::Fargate { cluster } => {
            line.text("compute", "fargate");
            line.text("cluster", cluster);
        }
    }
}

fn launch_source(line: &mut Line, source: &LaunchSource) {
    match source {
        LaunchSource::LaunchTemplate(name) => line.text("launch-template", name),
        LaunchSource::LaunchTemplateVersion(at) => {
            line.text("launch-template", &at.launch_template);
            line.number("version", at.version);
        }
        LaunchSource::Fargate(task) => line.object("fargate-task", |line| fargate_task(line, task)),
    }
}

fn fargate_task(line: &mut Line, task: &FargateTask) {
    line.text("cluster", &task.cluster);
    line.text("task-definition", &task.task_definition);
    line.texts("subnets", task.subnets.iter().map(String::as_str));
    let groups = task.security_groups.iter();
    line.texts("security-groups", groups.map(String::as_str));
    line.flag("public-ip", task.public_ip);
    line.maybe_text("container", task.container.as_deref());
}

/// Writes the outcome of a mutation.
pub(super) fn outcome(line: &mut Line, result: &Result<Outcome, CloudError>) {
    match result {
        Ok(Outcome::Launched(launched)) => {
            line.object("launched", |line| instance(line, launched));
        }
        Ok(Outcome::Accepted) => line.flag("accepted", true),
        Err(failed) => line.object("failed", |line| error(line, failed)),
    }
}

fn instance(line: &mut Line, instance: &Instance) {
    line.text("id", instance.id.as_str());
    line.text("state", instance.state.as_str());
    let address = |ip: Option<std::net::IpAddr>| ip.map(|ip| ip.to_string());
    line.maybe_text("private-ip", address(instance.private_ip).as_deref());
    line.maybe_text("public-ip", address(instance.public_ip).as_deref());
    let launched_at = instance.launched_at.map(|at| at.as_ms());
    line.maybe_number("launched-at", launched_at);
    line.map("tags", &instance.tags);
}

fn error(line: &mut Line, error: &CloudError) {
    line.text("operation", &error.operation);
    line.text("kind", &error.kind.to_string());
    line.text("code", &error.code);
    line.text("message", &error.message);
    let retry_after = error.retry_after.map(|after| after.get());
    line.maybe_number("retry-after", retry_after);
}
