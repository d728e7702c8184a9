// Send jobs to Intake as Celery tasks with celery-node (npm install celery-node). Prefer push.js where you can LPUSH.
//
// node push_celery.js JOB…      or one job per line on stdin. REDIS_URL is the URL of Redis.

const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const celery = require("celery-node");

const { REDIS_URL = "redis://localhost:6379/0" } = process.env;
// celery-node has an old ioredis, which ignores the user name of a URL without this option.
const url = `${REDIS_URL}${REDIS_URL.includes("?") ? "&" : "?"}allowUsernameInURI=true`;

async function main() {
  const given = process.argv.slice(2);
  const lines = given.length ? given : readFileSync(0, "utf8").split("\n");
  const jobs = lines.map((line) => line.trim()).filter(Boolean);
  const client = celery.createClient(url, url, "intake.ingest");
  await client.isReady();
  // The only argument is the text of a job. `delay` would not report whether Redis accepted the message.
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
