/** What the MQTT part writes its log with; a pino logger is one. */
export interface MqttLog {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
