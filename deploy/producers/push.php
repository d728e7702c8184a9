<?php
// Push jobs to Intake's inbox without any library.
//
// php push.php JOB…      or one job per line on stdin. REDIS_URL is the URL of Redis.
// With INTAKE_PRODUCER and INTAKE_SECRET set, the jobs are signed.
//
// With predis (composer require predis/predis) this replaces everything below the function "signed":
//   (new Predis\Client($url))->lpush('intake:inbox', array_map('signed', $jobs));

function signed(string $job): string
{
    $producer = getenv('INTAKE_PRODUCER');
    $secret = getenv('INTAKE_SECRET');
    if (!$producer || !$secret) {
        return $job;
    }
    $at = time();
    $signature = hash_hmac('sha256', "$at.$job", $secret);
    return json_encode(['v' => 1, 'producer' => $producer, 'at' => $at, 'job' => $job, 'signature' => $signature]);
}

/** Send one command and return Redis' reply without its type byte. Throw an exception for an error. */
function command($redis, string ...$parts): string
{
    $text = '*' . count($parts) . "\r\n";
    foreach ($parts as $part) {
        $text .= '$' . strlen($part) . "\r\n$part\r\n";
    }
    for ($sent = 0; $sent < strlen($text); $sent += $wrote) {
        $wrote = fwrite($redis, substr($text, $sent));
        if (!$wrote) {
            throw new RuntimeException('the connection to Redis is lost');
        }
    }
    $answer = fgets($redis);
    if ($answer === false || $answer[0] === '-') {
        throw new RuntimeException($answer === false ? 'Redis does not respond' : trim(substr($answer, 1)));
    }
    return trim(substr($answer, 1));
}

$jobs = array_slice($argv, 1) ?: array_filter(array_map('trim', file('php://stdin')));
$url = parse_url(getenv('REDIS_URL') ?: 'redis://localhost:6379/0');
$scheme = $url['scheme'] === 'rediss' ? 'tls' : 'tcp';
try {
    $redis = @stream_socket_client("$scheme://{$url['host']}:" . ($url['port'] ?? 6379), $number, $reason, 5);
    if (!$redis) {
        throw new RuntimeException("no connection to Redis: $reason");
    }
    stream_set_timeout($redis, 5);
    if (isset($url['pass'])) {
        command($redis, 'AUTH', ...array_map('rawurldecode', array_filter([$url['user'] ?? '', $url['pass']])));
    }
    if (($database = ltrim($url['path'] ?? '', '/') ?: '0') !== '0') {
        command($redis, 'SELECT', $database);
    }
    command($redis, 'LPUSH', 'intake:inbox', ...array_map('signed', array_values($jobs)));
    echo count($jobs), " pushed.\n";
} catch (RuntimeException $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
