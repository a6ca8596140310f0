require_relative "tasks"

Remember.perform_async("a key")
worker = spawn("exec #{ENV["COMMAND"]}", out: File::NULL, err: File::NULL)
begin
  deadline = Time.now + 30
  until Sidekiq.redis { |redis| redis.get("a key") } == "done"
    raise "not within 30 s" if Time.now > deadline
    sleep 0.05
  end
ensure
  Process.kill("TERM", worker)
  Process.wait(worker)
end
