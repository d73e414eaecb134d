//! ECS in the emulator. In moto a task runs at once and stops at once. It knows no launch tokens,
//! no lack of capacity, and no task that is starting or stopping.

use serde_json::{Value, json};

use super::{Emulator, REGION, between, credential};
use crate::process::agent;

impl Emulator {
    /// Creates a cluster and a task definition of this name, and returns a subnet for tasks.
    pub fn create_cluster(&self, name: &str) -> String {
        self.keep_tasks_running();
        self.ecs("CreateCluster", &json!({"clusterName": name}));
        let definition = json!({
            "family": name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512",
            // Moto requires the CPU and memory of each container; ECS does not.
            "containerDefinitions": [{"name": "main", "image": "agent", "cpu": 256, "memory": 512}],
        });
        self.ecs("RegisterTaskDefinition", &definition);
        let answer = self.ec2(&[("Action", "DescribeSubnets")]);
        let subnet = between(&answer, "<subnetId>", "</subnetId>");
        subnet
            .unwrap_or_else(|| panic!("no subnet in {REGION}: {answer}"))
            .to_owned()
    }

    /// Runs a task with this `Name`, as another system would, and returns its id.
    pub fn run_task(&self, cluster: &str, subnet: &str, name: &str) -> String {
        let vpc = json!({"subnets": [subnet], "securityGroups": []});
        let answer = self.ecs(
            "RunTask",
            &json!({
                "cluster": cluster, "taskDefinition": cluster, "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": vpc},
                "tags": [{"key": "Name", "value": name}],
            }),
        );
        let arn = answer["tasks"][0]["taskArn"].as_str();
        let id = arn.and_then(|arn| arn.rsplit('/').next());
        id.unwrap_or_else(|| panic!("no task in {answer}"))
            .to_owned()
    }

    /// A task as `DescribeTasks` shows it.
    pub fn task(&self, cluster: &str, id: &str) -> Value {
        let asked = json!({"cluster": cluster, "tasks": [id], "include": ["TAGS"]});
        self.ecs("DescribeTasks", &asked)["tasks"][0].clone()
    }

    /// Ends a task, as another system would.
    pub fn stop_task(&self, cluster: &str, id: &str) {
        self.ecs(
            "StopTask",
            &json!({"cluster": cluster, "task": id, "reason": "by hand"}),
        );
    }

    /// Keeps tasks running. By default, moto advances a task towards its stop with each reading.
    fn keep_tasks_running(&self) {
        let url = format!("{}/moto-api/state-manager/set-transition", self.url());
        let transition = json!({"progression": "manual", "times": 1_000_000});
        let body = json!({"model_name": "ecs::task", "transition": transition});
        let answer = agent()
            .post(url)
            .content_type("application/json")
            .send(body.to_string())
            .expect("the emulator answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    fn ecs(&self, operation: &str, body: &Value) -> Value {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        let mut answer = agent()
            .post(self.url())
            .header("Authorization", credential("ecs"))
            .header("X-Amz-Target", target)
            .content_type("application/x-amz-json-1.1")
            .send(body.to_string())
            .expect("the emulator answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        assert!(answer.status().is_success(), "{operation}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}
