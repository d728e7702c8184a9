// Push jobs to Intake's inbox with ioredis (npm install ioredis).
//
// node push.js JOB…      or one job per line on stdin. REDIS_URL is the URL of Redis.
// With INTAKE_PRODUCER and INTAKE_SECRET set, the jobs are signed.

const { createHmac } = require("node:crypto");
const { readFileSync } = require("node:fs");
const Redis = require("ioredis");

const { REDIS_URL = "redis://localhost:6379/0", INTAKE_PRODUCER, INTAKE_SECRET } = process.env;

function signed(job) {
  if (!INTAKE_PRODUCER || !INTAKE_SECRET) return job;
  const at = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", INTAKE_SECRET).update(`${at}.${job}`).digest("hex");
  return JSON.stringify({ v: 1, producer: INTAKE_PRODUCER, at, job, signature });
}

async function main() {
  const given = process.argv.slice(2);
  const lines = given.length ? given : readFileSync(0, "utf8").split("\n");
  const jobs = lines.map((line) => line.trim()).filter(Boolean);
  // The ready check sends INFO, which a producer's Redis user is not allowed to run.
  const redis = new Redis(REDIS_URL, { enableReadyCheck: false, maxRetriesPerRequest: 3 });
  redis.on("error", () => {}); // a failed push is reported below
  try {
    await redis.lpush("intake:inbox", ...jobs.map(signed));
    console.log(`${jobs.length} pushed.`);
  } finally {
    redis.disconnect();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
