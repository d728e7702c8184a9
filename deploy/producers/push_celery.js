// Send jobs to Intake as Celery tasks, with celery-node (npm install celery-node). Who can LPUSH does better: push.js.
//
// node push_celery.js JOB…      or one job a line on stdin. REDIS_URL says where Redis is.

const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const celery = require("celery-node");

const { REDIS_URL = "redis://localhost:6379/0" } = process.env;
// The ioredis in celery-node is an old one: it reads the password of a URL only, unless told otherwise.
const url = `${REDIS_URL}${REDIS_URL.includes("?") ? "&" : "?"}allowUsernameInURI=true`;

async function main() {
  const given = process.argv.slice(2);
  const lines = given.length ? given : readFileSync(0, "utf8").split("\n");
  const jobs = lines.map((line) => line.trim()).filter(Boolean);
  const client = celery.createClient(url, url, "intake.ingest");
  await client.isReady();
  // The one argument is the text of a job. `delay` would not tell whether Redis took it.
  for (const job of jobs) {
    const { headers, properties, body } = client.createTaskMessage(randomUUID(), "tasks.ingest", [job], {});
    await client.broker.publish(body, "", "intake.ingest", headers, properties);
  }
  await client.disconnect();
  console.log(`${jobs.length} sent.`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
